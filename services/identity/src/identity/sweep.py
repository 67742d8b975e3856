"""What removes the rows of accounts that were never created?

A credential and a data key come before their events. A crash or a lost connection in between leaves them
without; once their append can no longer be on its way, they are deleted. Ids are UUIDv7 and so tell the time.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog

from portal_chassis.logs import exception_summary

ON_ITS_WAY: Final = timedelta(hours=1)
"""No append takes longer; the store gives up after seconds."""

_LOOK_BACK: Final = timedelta(days=7)
_EVERY_SECONDS: Final = 600.0

_CREDENTIALS: Final = """
delete from credential c where c.account_id between $1 and $2
and not exists (select from event_tag t where t.tag = 'account:' || c.account_id)
"""
_KEYS: Final = """
delete from issued_key k where k.patient_id between $1 and $2
and not exists (
    select from event_tag t where t.tag in ('patient:' || k.patient_id, 'account:' || k.patient_id)
)
"""

_log = structlog.get_logger()


class Sweeper:
    """Sweeps every ten minutes."""

    def __init__(self, database_url: str, clock: Callable[[], datetime]) -> None:
        """Sweep identity's own database."""
        self._database_url = database_url
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._run(), name="sweep")

    async def stop(self) -> None:
        """Sweep no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def problems(self) -> Sequence[str]:
        """Nobody waits for a sweep: there is nothing that would make the worker not ready."""
        return ()

    async def _run(self) -> None:
        while True:
            try:
                connection = await asyncpg.connect(self._database_url)
                try:
                    await sweep(connection, self._clock())
                finally:
                    await connection.close()
            except Exception as error:  # noqa: BLE001 - it is logged, and tried again
                _log.warning("sweep failed", failure=exception_summary(error))
            await asyncio.sleep(_EVERY_SECONDS)


async def sweep(connection: Any, now: datetime) -> None:
    """Delete what the last week left without events, but for the last hour."""
    span = (_id_at(now - _LOOK_BACK), _id_at(now - ON_ITS_WAY))
    for statement in (_CREDENTIALS, _KEYS):
        await connection.execute(statement, *span)


def _id_at(instant: datetime) -> UUID:
    """Return the lowest UUIDv7 of an instant (RFC 9562, 5.7: milliseconds stand first)."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)
