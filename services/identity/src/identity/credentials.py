"""Where do password hashes live?

In a table beside the log, which is neither published nor rebuilt. A row comes before its account's events;
sweep.py removes what a crash left without them.
"""

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID


class Credentials(Protocol):
    """The password hashes, one an account."""

    async def add(self, account_id: UUID, password_hash: str, now: datetime) -> None:
        """Keep the first hash of an account that is about to be created."""

    async def remove(self, account_id: UUID) -> None:
        """Forget an account that was not created."""

    async def password_hash(self, account_id: UUID) -> str | None:
        """Return the hash, None when there is none."""

    async def replace(self, account_id: UUID, old: str, new: str, now: datetime) -> None:
        """Put `new` in the place of `old`, unless it was replaced meanwhile."""


class PostgresCredentials:
    """The table `credential`."""

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

    async def replace(self, account_id: UUID, old: str, new: str, now: datetime) -> None:
        """Update a row that still holds `old`."""
        await self._pool.execute(
            "update credential set password_hash = $3, changed_at = $4"
            " where account_id = $1 and password_hash = $2",
            account_id,
            old,
            new,
            now,
        )
