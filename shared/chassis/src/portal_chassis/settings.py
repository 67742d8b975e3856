"""What does a process take from its environment?

A service's `settings.py` subclasses `Settings` and is the only reader of the environment. A field's variable
is its name in capitals.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from portal_events import keys


class SettingsError(Exception):
    """The environment is not complete; the message says what to set."""


class Settings(BaseModel):
    """What every service needs."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: str
    database_password_file: Path | None = None
    """Holds the password where the address does not."""
    kafka_bootstrap_servers: str
    http_host: str = "127.0.0.1"
    http_port: int
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    """Without one the figures are not served."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables that the fields name; SettingsError names all that are missing or wrong."""
        found = {name: environment[name.upper()] for name in cls.model_fields if name.upper() in environment}
        try:
            settings = cls.model_validate(found)
        except ValidationError as error:
            wrong = sorted({str(fault["loc"][0]).upper() for fault in error.errors()})
            raise SettingsError(f"set these environment variables (README.md): {', '.join(wrong)}") from None
        if settings.database_password_file is None:
            return settings
        whole = with_password(settings.database_url, settings.database_password_file)
        return settings.model_copy(update={"database_url": whole})


def with_password(url: str, file: Path) -> str:
    """Put the password that stands in `file` into an address that names its user."""
    try:
        password = file.read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"the database's password cannot be read from {file}: {error.strerror}"
        ) from error
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    if not at or ":" in user:
        raise SettingsError("DATABASE_PASSWORD_FILE is for a DATABASE_URL with a user and without a password")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}"))


def read_key(path: Path) -> bytes:
    """Read a key file: 32 random bytes as base64url text; raises SettingsError."""
    try:
        return keys.read_key(path)
    except keys.KeyFileError as error:
        raise SettingsError(str(error)) from error
