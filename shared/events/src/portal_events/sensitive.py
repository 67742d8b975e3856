"""How is a person's text kept from everyone who does not hold that person's key?

A sensitive value is either `Plain`, as it came from a form and never printed or serialised, or `Sealed`,
AES-256-GCM ciphertext under the patient's data key with the event's id and the field as associated data
(NIST SP 800-38D). Events are sealed when they are appended; readers reveal at the last moment.
"""

import base64
import os
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_NONCE_BYTES = 12
_PREFIX = "sealed:v1:"


class UnsealError(Exception):
    """The ciphertext does not belong to this key, event and field, or was altered."""


@dataclass(frozen=True, repr=False)
class Plain:
    """A person's own words or numbers, before they are sealed."""

    text: str

    def __repr__(self) -> str:
        """Hide the text, so that no log or traceback shows it."""
        return "Plain(…)"


@dataclass(frozen=True)
class Sealed:
    """Ciphertext that may be stored, published and logged."""

    token: str

    def __repr__(self) -> str:
        """Shorten the ciphertext."""
        return "Sealed(…)"


def seal(value: Plain, *, key: bytes, event_id: UUID, field: str) -> Sealed:
    """Encrypt `value` for the place where it stands: this event, this field."""
    nonce = os.urandom(_NONCE_BYTES)
    ciphertext = AESGCM(key).encrypt(nonce, value.text.encode(), _place(event_id, field))
    return Sealed(_PREFIX + base64.urlsafe_b64encode(nonce + ciphertext).decode().rstrip("="))


def reveal(value: Sealed, *, key: bytes, event_id: UUID, field: str) -> str:
    """Decrypt `value`; raises UnsealError when key, event or field is another one."""
    body = value.token.removeprefix(_PREFIX)
    cipher = AESGCM(key)
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _place(event_id, field)).decode()
    except (InvalidTag, ValueError) as error:
        raise UnsealError(f"{field} of event {event_id}") from error


def _place(event_id: UUID, field: str) -> bytes:
    return f"{event_id}/{field}".encode()


def _read(value: object) -> object:
    if isinstance(value, str) and value.startswith(_PREFIX):
        return Sealed(value)
    if isinstance(value, Plain | Sealed):
        return value
    # The value itself must not reach the message: it may be a person's.
    raise ValueError("a sensitive field takes Plain or Sealed, never bare text")


def _write(value: Any) -> str:
    if isinstance(value, Sealed):
        return value.token
    raise ValueError("a plain sensitive value cannot be serialised; seal the event first")


Sensitive: TypeAlias = Annotated[
    Plain | Sealed,
    BeforeValidator(_read),
    PlainSerializer(_write, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{_PREFIX}[A-Za-z0-9_-]+$", "x-sensitive": True}),
]
"""The type of a sensitive field of an event; the field's name in Python stands in the associated data."""
