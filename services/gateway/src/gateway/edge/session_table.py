"""How do sessions live in PostgreSQL?"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.database import connection
from gateway.edge.session import Session

_ADD = """
insert into session (digest, id, account_id, patient_id, roles, created_at, seen_at)
values ($1, $2, $3, $4, $5, $6, $7)
"""
_FIND = """
select digest, id, account_id, patient_id, roles, created_at, seen_at from session where digest = $1
"""
_REMOVE = "delete from session where digest = $1"
# A row that another process is writing is in use there just now: skipped, so that nobody waits in a ring.
_TOUCH = """
with used as (
    select session.digest, seen.at
    from unnest($1::bytea[], $2::timestamptz[]) as seen (digest, at)
    join session on session.digest = seen.digest and session.seen_at < seen.at
    for update of session skip locked
)
update session set seen_at = used.at from used where session.digest = used.digest
"""
_SWEEP = "delete from session where created_at < $1 or seen_at < $2"


class SessionTable:
    """The gateway's table `session`."""

    def __init__(self, pool: Any) -> None:
        """Take the gateway's connections."""
        self._pool = pool

    async def add(self, session: Session, *, instead_of: bytes | None) -> None:
        """Add a session, and remove the one that the same browser had, in one transaction."""
        async with connection(self._pool) as held, held.transaction():
            if instead_of is not None:
                await held.execute(_REMOVE, instead_of)
            await held.execute(
                _ADD,
                session.digest,
                session.id,
                session.account_id,
                session.patient_id,
                session.roles,
                session.created_at,
                session.seen_at,
            )

    async def find(self, digest: bytes) -> Session | None:
        """Return the session with this digest."""
        async with connection(self._pool) as held:
            row = await held.fetchrow(_FIND, digest)
        if row is None:
            return None
        return Session(
            digest=row["digest"],
            id=row["id"],
            account_id=row["account_id"],
            patient_id=row["patient_id"],
            roles=tuple(row["roles"]),
            created_at=row["created_at"],
            seen_at=row["seen_at"],
        )

    async def remove(self, digest: bytes) -> None:
        """Remove the session, if it is there."""
        async with connection(self._pool) as held:
            await held.execute(_REMOVE, digest)

    async def touch(self, seen: Mapping[bytes, datetime]) -> None:
        """Write when sessions were last used; never moves that back, never brings one back."""
        async with connection(self._pool) as held:
            await held.execute(_TOUCH, list(seen), list(seen.values()))

    async def sweep(self, *, created_before: datetime, seen_before: datetime) -> None:
        """Remove the sessions that were created, or last used, before these instants."""
        async with connection(self._pool) as held:
            await held.execute(_SWEEP, created_before, seen_before)
