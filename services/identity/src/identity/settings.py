"""What does identity take from its environment?"""

import os
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from portal_chassis.settings import Settings

_ON_LOOPBACK: Final = 100
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class IdentitySettings(Settings):
    """The keys that identity holds, each in a file of its own, and how it sends mails (README.md)."""

    key_encryption_key_file: Path
    request_key_file: Path
    uniqueness_key_file: Path
    gateway_public_key_file: Path
    smtp_url: str
    mail_from: str
    public_url: str
    address_limit_factor: int | None = Field(None, ge=1)

    @classmethod
    def read(cls) -> Self:
        """Read the process's environment; raises SettingsError."""
        return cls.from_environment(os.environ)

    @property
    def address_factor(self) -> int:
        """Return how many times an address' limits are the usual ones.

        On a portal that only this machine reaches everybody has the same address.
        """
        if self.address_limit_factor is not None:
            return self.address_limit_factor
        return _ON_LOOPBACK if urlsplit(self.public_url).hostname in _LOOPBACK else 1

    @property
    def sender(self) -> Address:
        """Return whom mails are from."""
        name, address = parseaddr(self.mail_from)
        return Address(display_name=name, addr_spec=address)

    @field_validator("smtp_url")
    @classmethod
    def _is_mail_server(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("smtp://host:port, or smtps://host:port for TLS from the first byte")
        return url

    @field_validator("mail_from")
    @classmethod
    def _is_sender(cls, text: str) -> str:
        if "@" not in parseaddr(text)[1]:
            raise ValueError("an address, or: Name <address>")
        return text

    @field_validator("public_url")
    @classmethod
    def _is_web_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("where people open the portal")
        return url
