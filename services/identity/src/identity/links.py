"""How does a link that was sent by e-mail prove that its opener reads that mailbox?

It ends in a random token, of which only the digest is kept, with what it is for, whose it is, the tag of the
address that it was sent to, and until when. An account has one link for each purpose: a newer one takes the
place of the older, a used one is gone.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

from portal_chassis.positions import Positions

CONFIRMATION_LIFETIME: Final = timedelta(days=3)
_RESET_LIFETIME: Final = timedelta(minutes=30)

_TOKEN_BYTES: Final = 32


class Purpose(StrEnum):
    """What opening a link does."""

    RESET_PASSWORD = "reset-password"  # noqa: S105 - a purpose, not a password
    CONFIRM_EMAIL = "confirm-email"
    APPROVE_FROM_OLD_EMAIL = "approve-from-old-email"
    APPROVE_FROM_NEW_EMAIL = "approve-from-new-email"

    @property
    def lifetime(self) -> timedelta:
        """Return for how long a link works after it was sent."""
        return _RESET_LIFETIME if self is Purpose.RESET_PASSWORD else CONFIRMATION_LIFETIME


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it is kept. `email_tag`: the address that it is about."""

    digest: bytes
    purpose: Purpose
    account_id: UUID
    email_tag: str
    expires_at: datetime


def new_token() -> str:
    """Return a token that nobody can guess: 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def digest_of(token: str) -> bytes:
    """Return what is kept of a token. It is random, so that nothing slower than SHA-256 is needed."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


class Links(Protocol):
    """The links that were sent and not used."""

    async def put(self, link: Link) -> None:
        """Keep a link in the place of the account's older one for the same purpose."""

    async def find(self, digest: bytes, now: datetime) -> Link | None:
        """Return the link that works now, None when there is none."""

    async def remove(self, digest: bytes) -> None:
        """Forget a link that was used."""


class PostgresLinks:
    """The table `link`."""

    def __init__(self, pool: Any) -> None:
        """Use the service's own pool."""
        self._pool = pool

    async def put(self, link: Link) -> None:
        """Insert or replace a row."""
        await self._pool.execute(
            "insert into link (account_id, purpose, digest, email_tag, expires_at)"
            " values ($1, $2, $3, $4, $5) on conflict (account_id, purpose) do update"
            " set digest = excluded.digest, email_tag = excluded.email_tag, expires_at = excluded.expires_at",
            link.account_id,
            link.purpose.value,
            link.digest,
            link.email_tag,
            link.expires_at,
        )

    async def find(self, digest: bytes, now: datetime) -> Link | None:
        """Read one row."""
        row = await self._pool.fetchrow(
            "select purpose, account_id, email_tag, expires_at from link"
            " where digest = $1 and expires_at > $2",
            digest,
            now,
        )
        if row is None:
            return None
        return Link(digest, Purpose(row["purpose"]), row["account_id"], row["email_tag"], row["expires_at"])

    async def remove(self, digest: bytes) -> None:
        """Delete one row."""
        await self._pool.execute("delete from link where digest = $1", digest)


class Result(StrEnum):
    """What came of opening a link to confirm something."""

    EMAIL_CONFIRMED = "email-confirmed"
    EMAIL_CHANGED = "email-changed"
    OTHER_LINK_AWAITED = "other-link-awaited"


@dataclass(frozen=True, slots=True)
class Opened:
    """What opening a link did, and where its events stand."""

    result: Result
    positions: Positions


class OpensLink(Protocol):
    """What opening a link of one purpose does."""

    async def open(self, link: Link, *, now: datetime) -> Opened:
        """Do it; raises a Refusal."""
