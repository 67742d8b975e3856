"""Which refusals does identity promise? Clients rely on these codes: they are added to, never renamed."""

from typing import Any

from identity.app import rooms

CODES = {
    ("post", "/accounts"): {
        "409": {"account-exists"},
        "422": {
            "invalid",
            "idempotency-key-missing",
            "idempotency-key-reused",
            "idempotency-key-too-long",
        },
        "429": {"too-many-attempts"},
        "503": {"busy", "store-unavailable"},
    },
    ("post", "/sign-ins"): {
        "401": {"sign-in-failed"},
        "422": {"invalid"},
        "429": {"too-many-attempts"},
        "503": {"busy", "store-unavailable"},
    },
    ("get", "/accounts/{account_id}"): {
        "401": {"not-signed-in"},
        "404": {"account-unknown"},
        "422": {"invalid"},
        "503": {"key-unavailable", "store-unavailable"},
    },
    ("patch", "/accounts/{account_id}"): {
        "401": {"not-signed-in"},
        "403": {"password-wrong"},
        "404": {"account-unknown"},
        "422": {"invalid"},
        "429": {"too-many-attempts"},
        "503": {"busy", "key-unavailable", "store-unavailable"},
    },
    ("post", "/accounts/{account_id}/password"): {
        "401": {"not-signed-in"},
        "403": {"password-wrong"},
        "404": {"account-unknown"},
        "422": {"invalid"},
        "429": {"too-many-attempts"},
        "503": {"busy", "key-unavailable", "store-unavailable"},
    },
    ("post", "/password-resets"): {
        "422": {"invalid"},
        "429": {"too-many-attempts"},
        "503": {"store-unavailable"},
    },
    ("post", "/password-resets/{token}"): {
        "410": {"link-expired"},
        "422": {"invalid"},
        "503": {"busy", "key-unavailable", "store-unavailable"},
    },
    ("post", "/email-confirmations"): {
        "401": {"not-signed-in"},
        "422": {"invalid"},
        "429": {"too-many-attempts"},
        "503": {"store-unavailable"},
    },
    ("post", "/email-confirmations/{token}"): {
        "409": {"account-exists"},
        "410": {"link-expired"},
        "422": {"invalid"},
        "503": {"key-unavailable", "store-unavailable"},
    },
}


def codes(operation: dict[str, Any]) -> dict[str, set[str]]:
    return {
        status: set(answer["content"]["application/problem+json"]["examples"])
        for status, answer in operation["responses"].items()
        if status >= "400"
    }


def test_given_the_endpoints_when_documented_then_exactly_these_codes() -> None:
    documented = {
        (method, path): codes(operation)
        for path, operations in rooms().openapi()["paths"].items()
        for method, operation in operations.items()
    }
    assert documented == CODES
