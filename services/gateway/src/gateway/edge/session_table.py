"""How do sessions live in PostgreSQL?"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from gateway.database import connection
from gateway.edge.session import Session

_COLUMNS: Final = (
    "digest, id, account_id, patient_id, roles, created_at, seen_at, user_agent, password_position"
)
_ADD: Final = f"insert into session ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"  # noqa: S608 - our own columns
_SELECT: Final = f"select {_COLUMNS} from session"  # noqa: S608 - our own columns
_FIND: Final = f"{_SELECT} where digest = $1"
_OF_ACCOUNT: Final = f"{_SELECT} where account_id = $1 order by created_at desc, id desc"
_REMOVE: Final = "delete from session where digest = $1"
_REMOVE_OWN: Final = "delete from session where id = $1 and account_id = $2 returning digest"
# In one order, as everybody who ends several does it: two who end the same sessions cannot deadlock.
_REMOVE_ALL: Final = """
with ended as (select digest from session where account_id = $1 order by digest for update)
delete from session using ended where session.digest = ended.digest
"""
# A row that another process is writing is in use there just now: skipped, so that nobody waits in a ring.
_TOUCH: Final = """
with used as (
    select session.digest, seen.at
    from unnest($1::bytea[], $2::timestamptz[]) as seen (digest, at)
    join session on session.digest = seen.digest and session.seen_at < seen.at
    for update of session skip locked
)
update session set seen_at = used.at from used where session.digest = used.digest
"""
_SWEEP: Final = """
with ended as (
    select digest from session where created_at < $1 or seen_at < $2 for update skip locked
)
delete from session using ended where session.digest = ended.digest
"""


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
            await held.execute(_ADD, *_values(session))

    async def replace_all(self, session: Session) -> None:
        """Remove every session of the account and add this one, in one transaction."""
        async with connection(self._pool) as held, held.transaction():
            await held.execute(_REMOVE_ALL, session.account_id)
            await held.execute(_ADD, *_values(session))

    async def find(self, digest: bytes) -> Session | None:
        """Return the session with this digest."""
        async with connection(self._pool) as held:
            row = await held.fetchrow(_FIND, digest)
        return None if row is None else _session(row)

    async def of_account(self, account_id: UUID) -> list[Session]:
        """Return the account's sessions, the newest first."""
        async with connection(self._pool) as held:
            return [_session(row) for row in await held.fetch(_OF_ACCOUNT, account_id)]

    async def remove(self, digest: bytes) -> None:
        """Remove the session, if it is there."""
        async with connection(self._pool) as held:
            await held.execute(_REMOVE, digest)

    async def remove_own(self, session_id: UUID, account_id: UUID) -> bytes | None:
        """Remove the account's session of this id and return its digest; None where it has no such one."""
        async with connection(self._pool) as held:
            removed: bytes | None = await held.fetchval(_REMOVE_OWN, session_id, account_id)
        return removed

    async def remove_all(self, account_id: UUID) -> None:
        """Remove every session of the account."""
        async with connection(self._pool) as held:
            await held.execute(_REMOVE_ALL, account_id)

    async def touch(self, seen: Mapping[bytes, datetime]) -> None:
        """Write when sessions were last used; never moves that back, never brings one back."""
        async with connection(self._pool) as held:
            await held.execute(_TOUCH, list(seen), list(seen.values()))

    async def sweep(self, *, created_before: datetime, seen_before: datetime) -> None:
        """Remove the sessions that were created, or last used, before these instants."""
        async with connection(self._pool) as held:
            await held.execute(_SWEEP, created_before, seen_before)


def _values(session: Session) -> tuple[object, ...]:
    return (
        session.digest,
        session.id,
        session.account_id,
        session.patient_id,
        session.roles,
        session.created_at,
        session.seen_at,
        session.user_agent,
        session.password_position,
    )


def _session(row: Any) -> Session:
    return Session(**{**row, "roles": tuple(row["roles"])})
