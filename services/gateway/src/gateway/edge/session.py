"""What is a session, and when is it over?"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

IDLE: Final = timedelta(minutes=30)
"""How long a session lives without a request."""

ABSOLUTE: Final = timedelta(hours=12)
"""How long a session lives at all."""

_MAX_USER_AGENT: Final = 200
_TOKEN_BYTES: Final = 32
_TOKEN_LENGTH: Final = 43


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one browser. `patient_id` is None for staff; the level is not here, it may rise.

    `password_position`: where in identity's log the password change is that this session goes on after.
    """

    digest: bytes
    id: UUID
    account_id: UUID
    patient_id: UUID | None
    roles: tuple[str, ...]
    created_at: datetime
    seen_at: datetime
    user_agent: str = field(default="", repr=False)
    password_position: int = 0


def is_over(session: Session, *, seen_at: datetime, now: datetime) -> bool:
    """Tell whether the session has ended by itself, last used at `seen_at`."""
    return now >= session.created_at + ABSOLUTE or now >= seen_at + IDLE


def told_user_agent(header: str | None) -> str:
    """Return what may be kept of a `User-Agent` header: one line of visible text, 200 characters at most."""
    visible = "".join(c if c.isprintable() else " " for c in header or "")
    return " ".join(visible.split())[:_MAX_USER_AGENT].rstrip()


def new_token() -> str:
    """Return a cookie value that nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def digest(token: str) -> bytes:
    """Return what the table knows a cookie value by."""
    return hashlib.sha256(token.encode()).digest()


def digest_of(presented: str | None) -> bytes | None:
    """Return the digest of what a browser sent; None for what cannot be one of our values."""
    if presented is None or len(presented) != _TOKEN_LENGTH or not presented.isascii():
        return None
    return digest(presented)
