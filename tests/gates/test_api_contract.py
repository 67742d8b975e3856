"""Is the API's contract what the apps say, valid OpenAPI, and no less than what was agreed on?"""

from __future__ import annotations

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.app import dressed
from gateway.settings import GatewaySettings
from portal_chassis.app import create_app
from portal_contract.golden import COMMAND, GOLDEN, read_golden, stale
from portal_contract.operations import UNCONNECTED, public_operations, service_operations
from portal_contract.pages import operations, refusals

CONTRACT = read_golden()

SIGNED_IN = {"not-signed-in"}
SLOT = {"slot-unknown", "slot-in-past", "slot-taken", "patient-busy", "level-too-low", "referral-required"}

AGREED: dict[tuple[str, str], tuple[str, set[str]]] = {
    ("POST", "/api/accounts"): ("201", {"invalid", "account-exists", "too-many-attempts"}),
    ("POST", "/api/sessions"): ("201", {"sign-in-failed", "too-many-attempts"}),
    ("GET", "/api/sessions"): ("200", SIGNED_IN),
    ("DELETE", "/api/sessions/current"): ("204", SIGNED_IN),
    ("DELETE", "/api/sessions/{}"): ("204", SIGNED_IN | {"session-unknown"}),
    ("GET", "/api/me"): ("200", SIGNED_IN),
    ("PATCH", "/api/me"): ("200", SIGNED_IN | {"invalid"}),
    ("POST", "/api/me/password"): ("204", SIGNED_IN | {"password-wrong", "invalid", "too-many-attempts"}),
    ("POST", "/api/password-resets"): ("202", {"invalid"}),
    ("POST", "/api/password-resets/{}"): ("204", {"link-expired", "invalid"}),
    ("POST", "/api/email-confirmations"): ("202", SIGNED_IN),
    ("POST", "/api/email-confirmations/{}"): ("200", {"link-expired"}),
    ("GET", "/api/catalogue/services"): ("200", set()),
    ("GET", "/api/catalogue/facilities"): ("200", set()),
    ("GET", "/api/catalogue/doctors"): ("200", set()),
    ("GET", "/api/slots"): (
        "200",
        SIGNED_IN | {"invalid", "referral-required", "service-unknown", "mode-not-offered"},
    ),
    ("POST", "/api/holds"): ("201", SIGNED_IN | SLOT | {"hold-limit"}),
    ("DELETE", "/api/holds/{}"): ("204", SIGNED_IN),
    ("POST", "/api/appointments"): (
        "201",
        SIGNED_IN | SLOT | {"booking-limit", "hold-expired", "mode-not-offered", "idempotency-key-reused"},
    ),
    ("GET", "/api/appointments"): ("200", SIGNED_IN),
    ("GET", "/api/appointments/{}"): ("200", SIGNED_IN | {"appointment-unknown"}),
    ("POST", "/api/appointments/{}/cancellation"): (
        "200",
        SIGNED_IN | {"appointment-unknown", "not-booked-here", "already-started"},
    ),
    ("POST", "/api/appointments/{}/move"): (
        "200",
        SIGNED_IN
        | {"appointment-unknown", "slot-unknown", "hold-expired", "not-booked-here", "already-started"}
        | {"slot-taken", "patient-busy", "slot-in-past", "appointment-cancelled", "service-differs"},
    ),
    ("GET", "/api/timeline"): ("200", SIGNED_IN),
    ("GET", "/api/timeline/stream"): ("200", SIGNED_IN),
}
"""What others rely on, by method and path with its parameters' names left out."""

LISTED = {
    (method, "/".join("{}" if part.startswith("{") else part for part in path.split("/"))): one
    for method, path, one in operations(CONTRACT)
}


def test_given_the_apps_when_described_then_the_contract_and_its_pages_say_the_same() -> None:
    assert stale() == [], f"the API has changed: run {COMMAND} and commit what it writes"


def test_given_the_contract_when_validated_then_it_is_openapi_3_1() -> None:
    assert CONTRACT["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(CONTRACT).iter_errors()] == []


def test_given_what_a_service_tells_no_visitor_when_forwarded_then_the_gateway_refuses_visitors() -> None:
    open_ = [
        one.path
        for one in public_operations()
        if one.forwarded and one.asked and SIGNED_IN & one.asked.refusals.keys() - one.own.refusals.keys()
    ]
    assert not open_, f"gateway/forward/routes.py lets visitors through to: {open_}"


@pytest.mark.parametrize(("method", "path"), AGREED)
def test_given_what_was_agreed_when_looked_up_then_it_is_in_the_contract(method: str, path: str) -> None:
    status, codes = AGREED[method, path]
    assert (method, path) in LISTED
    one = LISTED[method, path]
    listed = {code for _, code in refusals(one)}
    assert [answer for answer in one["responses"] if answer < "400"] == [status]
    assert codes - listed == set()
    assert codes & SIGNED_IN == listed & SIGNED_IN


def test_given_the_contract_when_read_then_each_of_its_operations_was_agreed_on() -> None:
    new = sorted(LISTED.keys() - AGREED.keys())
    assert not new, f"write into AGREED of tests/gates/test_api_contract.py what others rely on: {new}"


def test_given_the_services_when_asked_then_each_of_their_operations_stands_behind_a_public_one() -> None:
    asked = [one.asked for one in public_operations()]
    hidden = [f"{one.app}'s {one.method} {one.path}" for one in service_operations() if one not in asked]
    assert not hidden, f"neither gateway/forward/routes.py nor an x-asks of the gateway leads to {hidden}"


def test_given_every_write_when_described_then_it_wants_the_header_of_our_own_pages() -> None:
    for (method, path), one in LISTED.items():
        assert ("csrf" in one["security"][0]) == (method != "GET"), path


async def test_given_the_contract_when_asked_for_then_served_as_it_stands_and_revalidated() -> None:
    app = dressed(create_app("gateway"), GatewaySettings.from_environment(UNCONNECTED))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        first = await client.get("/api/openapi.json")
        again = await client.get(
            "/api/openapi.json", headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'}
        )
    assert (first.status_code, first.content) == (200, GOLDEN.read_bytes())
    assert first.headers["content-type"] == "application/json"
    assert (again.status_code, again.content) == (304, b"")
