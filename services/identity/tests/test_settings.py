"""Does identity start with what it needs, and say what it lacks?"""

from pathlib import Path

import pytest

from identity.settings import IdentitySettings
from portal_chassis.settings import SettingsError

ENVIRONMENT = {
    "DATABASE_URL": "postgresql://127.0.0.1/identity",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "HTTP_PORT": "8001",
    "KEY_ENCRYPTION_KEY_FILE": "kek",
    "REQUEST_KEY_FILE": "request",
    "UNIQUENESS_KEY_FILE": "uniqueness",
    "GATEWAY_PUBLIC_KEY_FILE": "gateway.pem",
    "SMTP_URL": "smtp://127.0.0.1:2525",
    "MAIL_FROM": "Zdrovia <no-reply@zdrovia.example>",
    "PUBLIC_URL": "https://portal.example",
}


def test_given_all_variables_when_read_then_settings() -> None:
    settings = IdentitySettings.from_environment(ENVIRONMENT)
    assert settings.request_key_file == Path("request")
    assert (settings.sender.display_name, settings.sender.addr_spec) == (
        "Zdrovia",
        "no-reply@zdrovia.example",
    )
    assert settings.address_factor == 1


@pytest.mark.parametrize(
    ("changed", "factor"),
    [
        ({"PUBLIC_URL": "http://127.0.0.1:8080"}, 100),
        ({"PUBLIC_URL": "http://127.0.0.1:8080", "ADDRESS_LIMIT_FACTOR": "1"}, 1),
        ({"ADDRESS_LIMIT_FACTOR": "7"}, 7),
    ],
)
def test_given_a_portal_for_one_machine_or_a_factor_when_read_then_limits_grow(
    changed: dict[str, str], factor: int
) -> None:
    assert IdentitySettings.from_environment(ENVIRONMENT | changed).address_factor == factor


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_URL", "127.0.0.1:2525"),
        ("SMTP_URL", "http://127.0.0.1"),
        ("MAIL_FROM", "Zdrovia"),
        ("PUBLIC_URL", "portal.example"),
        ("ADDRESS_LIMIT_FACTOR", "0"),
    ],
)
def test_given_a_variable_that_is_wrong_when_read_then_it_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}$"):
        IdentitySettings.from_environment(ENVIRONMENT | {name: value})


@pytest.mark.parametrize("name", ["SMTP_URL", "MAIL_FROM", "PUBLIC_URL", "UNIQUENESS_KEY_FILE"])
def test_given_a_variable_is_missing_when_read_then_it_is_named(name: str) -> None:
    environment = {key: value for key, value in ENVIRONMENT.items() if key != name}
    with pytest.raises(SettingsError, match=f"{name}$"):
        IdentitySettings.from_environment(environment)
