"""What does a process take from its environment?

A service's `settings.py` subclasses `Settings` and is the only reader of the environment. A field's variable
is its name in capitals.
"""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

KEY_BYTES: Final = 32


class SettingsError(Exception):
    """The environment is not complete; the message says what to set."""


class Settings(BaseModel):
    """What every service needs."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: str
    kafka_bootstrap_servers: str
    http_host: str = "127.0.0.1"
    http_port: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables that the fields name; SettingsError names all that are missing or wrong."""
        found = {name: environment[name.upper()] for name in cls.model_fields if name.upper() in environment}
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            wrong = sorted({str(fault["loc"][0]).upper() for fault in error.errors()})
            raise SettingsError(f"set these environment variables (README.md): {', '.join(wrong)}") from None


def read_key(path: Path) -> bytes:
    """Read a key file: 32 random bytes as base64url text."""
    try:
        text = path.read_text(encoding="ascii").strip()
        key = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        raise SettingsError(f"{path} must hold {KEY_BYTES} bytes as base64url text") from error
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{path} must hold {KEY_BYTES} bytes as base64url text, not {len(key)}")
    return key
