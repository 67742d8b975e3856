"""Where do password hashes live?

In a table beside the log, which is neither published nor rebuilt. A row comes before its account's events;
sweep.py removes what a crash left without them. A change of a password is done when its row is: in the same
statement the link is used up and the change is noted, which the log is told of afterwards
(password_changes.py).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from portal_events.identity import PasswordChange


@dataclass(frozen=True, slots=True)
class Changed:
    """A password that was changed."""

    account_id: UUID
    changed_at: datetime
    change: PasswordChange


class Credentials(Protocol):
    """The password hashes, one an account."""

    async def add(self, account_id: UUID, password_hash: str, now: datetime) -> None:
        """Keep the first hash of an account that is about to be created."""

    async def remove(self, account_id: UUID) -> None:
        """Forget an account that was not created."""

    async def password_hash(self, account_id: UUID) -> str | None:
        """Return the hash, None when there is none."""

    async def renew(self, account_id: UUID, old: str, new: str, now: datetime) -> None:
        """Put another hash of the same password in the place of `old`, unless it was replaced meanwhile."""

    async def change(self, account_id: UUID, old: str, new: str, now: datetime) -> Changed | None:
        """Put the hash of another password in the place of `old`; None when it was replaced meanwhile.

        A link to reset the password that was sent before does not work any more.
        """

    async def reset(self, link: bytes, new: str, now: datetime) -> Changed | None:
        """Use up a link, and put a new hash in the place of its account's; None when it does not work."""

    async def unannounced(self, before: datetime) -> list[Changed]:
        """Return the changes before then of which the log was not told."""

    async def announced(self, changed: Changed) -> None:
        """Forget a change: the log was told."""


_CHANGE: Final = """
with changed as (
    update credential set password_hash = $3, changed_at = $4
    where account_id = $1 and password_hash = $2 returning account_id
), links as (
    delete from link using changed
    where link.account_id = changed.account_id and link.purpose = 'reset-password'
)
insert into password_change (account_id, changed_at, change)
select account_id, $4, 'changed' from changed returning account_id, changed_at, change
"""
_RESET: Final = """
with used as (
    delete from link where digest = $1 and purpose = 'reset-password' and expires_at > $3
    returning account_id
), changed as (
    update credential set password_hash = $2, changed_at = $3 from used
    where credential.account_id = used.account_id returning credential.account_id
)
insert into password_change (account_id, changed_at, change)
select account_id, $3, 'reset' from changed returning account_id, changed_at, change
"""


class PostgresCredentials:
    """The tables `credential` and `password_change`."""

    def __init__(self, pool: Any) -> None:
        """Use the service's own pool."""
        self._pool = pool

    async def add(self, account_id: UUID, password_hash: str, now: datetime) -> None:
        """Insert a row."""
        await self._pool.execute(
            "insert into credential (account_id, password_hash, created_at, changed_at)"
            " values ($1, $2, $3, $3)",
            account_id,
            password_hash,
            now,
        )

    async def remove(self, account_id: UUID) -> None:
        """Delete a row."""
        await self._pool.execute("delete from credential where account_id = $1", account_id)

    async def password_hash(self, account_id: UUID) -> str | None:
        """Read one hash."""
        found: str | None = await self._pool.fetchval(
            "select password_hash from credential where account_id = $1", account_id
        )
        return found

    async def renew(self, account_id: UUID, old: str, new: str, now: datetime) -> None:
        """Update a row that still holds `old`."""
        await self._pool.execute(
            "update credential set password_hash = $3, changed_at = $4"
            " where account_id = $1 and password_hash = $2",
            account_id,
            old,
            new,
            now,
        )

    async def change(self, account_id: UUID, old: str, new: str, now: datetime) -> Changed | None:
        """Update a row that still holds `old`, and note it, in one statement."""
        return _changed(await self._pool.fetchrow(_CHANGE, account_id, old, new, now))

    async def reset(self, link: bytes, new: str, now: datetime) -> Changed | None:
        """Delete the link, update its account's row and note it, in one statement."""
        return _changed(await self._pool.fetchrow(_RESET, link, new, now))

    async def unannounced(self, before: datetime) -> list[Changed]:
        """Read what is noted."""
        rows = await self._pool.fetch(
            "select account_id, changed_at, change from password_change where changed_at < $1", before
        )
        return [Changed(row["account_id"], row["changed_at"], PasswordChange(row["change"])) for row in rows]

    async def announced(self, changed: Changed) -> None:
        """Delete a note."""
        await self._pool.execute(
            "delete from password_change where account_id = $1 and changed_at = $2",
            changed.account_id,
            changed.changed_at,
        )


def _changed(row: Any) -> Changed | None:
    return (
        None if row is None else Changed(row["account_id"], row["changed_at"], PasswordChange(row["change"]))
    )
