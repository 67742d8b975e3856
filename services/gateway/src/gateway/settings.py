"""What does the gateway take from its environment?"""

import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import field_validator

from portal_chassis.settings import Settings

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class GatewaySettings(Settings):
    """The environment of a gateway process. `public_url` is what people open in a browser."""

    gateway_signing_key_file: Path
    booking_url: str
    identity_url: str
    public_url: str

    @field_validator("public_url")
    @classmethod
    def _safe(cls, url: str) -> str:
        """Refuse plain http beyond this machine: the session cookie would be for everybody to read."""
        parts = urlsplit(url)
        if parts.hostname is None or parts.scheme not in ("http", "https"):
            raise ValueError("not a web address")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("http is for loopback only")
        return url

    @property
    def https(self) -> bool:
        """Tell whether people come over TLS."""
        return self.public_url.startswith("https:")


def read_settings() -> GatewaySettings:
    """Read the process's environment; raises SettingsError."""
    return GatewaySettings.from_environment(os.environ)
