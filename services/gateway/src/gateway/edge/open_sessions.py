"""Whose session is this cookie?

Rows are remembered for at most five seconds, so that a sign-out in another process is seen within that time.
When a session was last used is written for all sessions at once, every five seconds.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from gateway.edge.session import ABSOLUTE, IDLE, Session, digest, digest_of, is_over, new_token
from portal_eventstore.decision import Unavailable

REMEMBERED: Final = timedelta(seconds=5)
"""How long a row is believed without looking again."""

_FLUSH_SECONDS: Final = 5.0
_SWEEP_EVERY: Final = 60
_CAPACITY: Final = 20_000

_log = structlog.get_logger()


class SessionRows(Protocol):
    """Where sessions are kept; every method raises Unavailable when that place does not answer."""

    async def add(self, session: Session, *, instead_of: bytes | None) -> None:
        """Add a session, and remove the one that the same browser had, in one transaction."""

    async def find(self, digest: bytes) -> Session | None:
        """Return the session with this digest."""

    async def remove(self, digest: bytes) -> None:
        """Remove the session, if it is there."""

    async def of_account(self, account_id: UUID) -> list[Session]:
        """Return the account's sessions, the newest first."""

    async def remove_own(self, session_id: UUID, account_id: UUID) -> bytes | None:
        """Remove the account's session of this id and return its digest; None where it has no such one."""

    async def remove_all(self, account_id: UUID) -> None:
        """Remove every session of the account."""

    async def replace_all(self, session: Session) -> None:
        """Remove every session of the account and add this one, in one transaction."""

    async def touch(self, seen: Mapping[bytes, datetime]) -> None:
        """Write when sessions were last used; never moves that back, never brings one back."""

    async def sweep(self, *, created_before: datetime, seen_before: datetime) -> None:
        """Remove the sessions that were created, or last used, before these instants."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whose session is to be opened, and in which browser."""

    account_id: UUID
    patient_id: UUID | None
    roles: tuple[str, ...]
    user_agent: str = ""


class OpenSessions:
    """Opens, finds and ends sessions."""

    def __init__(self, rows: SessionRows, clock: Callable[[], datetime]) -> None:
        """Take the place where sessions are kept, and the clock (UTC)."""
        self._rows = rows
        self._clock = clock
        self._remembered: OrderedDict[bytes, tuple[Session, datetime]] = OrderedDict()
        self._seen: dict[bytes, datetime] = {}

    async def open(self, person: Person, *, began: datetime, replaces: str | None) -> str:
        """Start a session under a new cookie value and return that value.

        `began`: before the password was checked, so that one which was changed meanwhile ends this session.
        `replaces`: the cookie that the browser came with. It is never continued, whoever planted it there.
        """
        token, session = _new(person, began)
        old = digest_of(replaces)
        await self._rows.add(session, instead_of=old)
        if old is not None:
            self._forget(old)
        self._remember(session, began)
        return token

    async def replace_all(self, person: Person, *, password_position: int) -> str:
        """End all of the account's sessions and start one that goes on after this password change.

        Returns the new cookie value; raises Unavailable when it is not certain that the others are over.
        """
        now = self._clock()
        token, session = _new(person, now)
        session = replace(session, password_position=password_position)
        self._forget_all(person.account_id)
        await self._rows.replace_all(session)
        self._forget_all(person.account_id)
        self._remember(session, now)
        return token

    async def find(self, token: str | None) -> Session | None:
        """Return the live session of a cookie value, and note that it is used now."""
        known_by = digest_of(token)
        if known_by is None:
            return None
        now = self._clock()
        session = self._recalled(known_by, now)
        if session is None:
            session = await self._rows.find(known_by)
            if session is None:
                self._forget(known_by)
                return None
            # As of before the look: a removal meanwhile is noticed no later than five seconds after it.
            self._remember(session, now)
        if is_over(session, seen_at=self._seen_at(session), now=now):
            return None
        self._seen[known_by] = now
        return session

    async def lives(self, session: Session) -> bool:
        """Tell, by its row alone, whether the session still lives; being asked does not count as use."""
        row = await self._rows.find(session.digest)
        if row is None:
            self._forget(session.digest)
            return False
        return not is_over(row, seen_at=self._seen_at(row), now=self._clock())

    async def end(self, session: Session) -> None:
        """End a session: when this returns, its row is gone. Raises Unavailable when that is not certain."""
        self._forget(session.digest)
        await self._rows.remove(session.digest)
        # A request that looked before the removal may have remembered it since.
        self._forget(session.digest)

    async def of_account(self, account_id: UUID) -> list[Session]:
        """Return the account's live sessions, the newest first."""
        now = self._clock()
        kept = [replace(s, seen_at=self._seen_at(s)) for s in await self._rows.of_account(account_id)]
        return [session for session in kept if not is_over(session, seen_at=session.seen_at, now=now)]

    async def end_own(self, session_id: UUID, account_id: UUID) -> bool:
        """End the account's session of this id; False where it has no such one."""
        removed = await self._rows.remove_own(session_id, account_id)
        if removed is None:
            return False
        self._forget(removed)
        return True

    async def end_all(self, account_id: UUID) -> None:
        """End all of the account's sessions: when this returns, their rows are gone."""
        self._forget_all(account_id)
        await self._rows.remove_all(account_id)
        self._forget_all(account_id)

    async def write_seen(self) -> None:
        """Write when sessions were last used, in one statement."""
        seen, self._seen = self._seen, {}
        if not seen:
            return
        try:
            await self._rows.touch(seen)
        except Unavailable:
            self._seen = seen | self._seen
            raise

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep the table current during the block."""
        task = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            with suppress(Unavailable):
                await self.write_seen()

    async def _keep(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            rounds += 1
            try:
                await self.write_seen()
                if rounds % _SWEEP_EVERY == 0:
                    now = self._clock()
                    # A minute more than the rule, for what other processes have not written yet.
                    grace = timedelta(minutes=1)
                    await self._rows.sweep(created_before=now - ABSOLUTE, seen_before=now - IDLE - grace)
            except Exception as error:  # noqa: BLE001 - without this task every session would end while in use
                _log.warning("sessions not written, tried again", error=type(error).__name__)

    def _recalled(self, known_by: bytes, now: datetime) -> Session | None:
        found = self._remembered.get(known_by)
        if found is None:
            return None
        session, looked_at = found
        # A clock that was set back must not keep a row alive: only the last five seconds count.
        return session if timedelta(0) <= now - looked_at < REMEMBERED else None

    def _remember(self, session: Session, looked_at: datetime) -> None:
        self._remembered[session.digest] = (session, looked_at)
        self._remembered.move_to_end(session.digest)
        if len(self._remembered) > _CAPACITY:
            self._remembered.popitem(last=False)

    def _seen_at(self, session: Session) -> datetime:
        """Return when the session was last used, written or not."""
        return max(session.seen_at, self._seen.get(session.digest, session.seen_at))

    def _forget_all(self, account_id: UUID) -> None:
        theirs = [d for d, (session, _) in self._remembered.items() if session.account_id == account_id]
        for known_by in theirs:
            self._forget(known_by)

    def _forget(self, known_by: bytes) -> None:
        self._remembered.pop(known_by, None)
        self._seen.pop(known_by, None)


def _new(person: Person, began: datetime) -> tuple[str, Session]:
    """Return a cookie value and the session that it opens."""
    token = new_token()
    session = Session(
        digest=digest(token),
        id=uuid7(),
        account_id=person.account_id,
        patient_id=person.patient_id,
        roles=person.roles,
        created_at=began,
        seen_at=began,
        user_agent=person.user_agent,
    )
    return token, session
