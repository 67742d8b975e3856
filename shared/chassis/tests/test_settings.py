"""Does a password that stands in a file come into the database's address, and nowhere else?"""

from pathlib import Path

import pytest

from portal_chassis.settings import Settings, SettingsError

ENVIRONMENT = {
    "DATABASE_URL": "postgresql://booking@postgres:5432/booking?sslmode=disable",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9094",
    "HTTP_PORT": "8000",
}


def test_given_the_password_in_a_file_when_read_then_it_is_in_the_address_whatever_its_characters(
    tmp_path: Path,
) -> None:
    file = tmp_path / "password"
    file.write_text("a/b@c:d\n")
    settings = Settings.from_environment({**ENVIRONMENT, "DATABASE_PASSWORD_FILE": str(file)})
    assert settings.database_url == "postgresql://booking:a%2Fb%40c%3Ad@postgres:5432/booking?sslmode=disable"


def test_given_no_password_file_when_read_then_the_address_is_as_given() -> None:
    assert Settings.from_environment(ENVIRONMENT).database_url == ENVIRONMENT["DATABASE_URL"]


def test_given_a_file_that_is_missing_when_read_then_a_sentence_names_it(tmp_path: Path) -> None:
    told = {**ENVIRONMENT, "DATABASE_PASSWORD_FILE": str(tmp_path / "password")}
    with pytest.raises(SettingsError, match=r"cannot be read from \S+/password: No such file"):
        Settings.from_environment(told)


@pytest.mark.parametrize(
    "url", ["postgresql://booking:secret@postgres/booking", "postgresql://postgres/booking"]
)
def test_given_an_address_with_a_password_or_without_a_user_when_a_file_is_given_too_then_refused(
    tmp_path: Path, url: str
) -> None:
    file = tmp_path / "password"
    file.write_text("another")
    told = {**ENVIRONMENT, "DATABASE_URL": url, "DATABASE_PASSWORD_FILE": str(file)}
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(told)
    assert "DATABASE_PASSWORD_FILE" in str(refused.value)
    assert "secret" not in str(refused.value)
