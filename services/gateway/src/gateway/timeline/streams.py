"""Which streams are open in this process, and who wakes them?

One connection listens for the ids of patients whose rows have changed. A stream that is woken looks by
itself: nothing is queued for it, so that a client that does not read costs no more than one that does.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog

from gateway.timeline.project import CHANGED
from portal_eventstore.decision import TooMany

STREAMS_OF_AN_ACCOUNT: Final = 20

_ANSWER_SECONDS: Final = 2.0
# A connection whose other end vanished without a word is noticed by asking.
_PROBE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 10

_log = structlog.get_logger()


class TooManyStreams(TooMany):
    """The account has as many streams open as one person's devices need."""

    code = "too-many-streams"
    title = "Too many pages of this account follow the timeline at the same time"


class Streams:
    """The open streams, by patient."""

    def __init__(self, database_url: str, stopping: asyncio.Event) -> None:
        """Take where the views are, and what is set when the process ends."""
        self.stopping = stopping
        self._database_url = database_url
        self._woken: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._open: Counter[UUID] = Counter()

    @contextmanager
    def opened(self, account_id: UUID, patient_id: UUID) -> Iterator[asyncio.Event]:
        """Give the block the event that is set when it must look; raises TooManyStreams."""
        if self._open[account_id] >= STREAMS_OF_AN_ACCOUNT:
            raise TooManyStreams(_RETRY_SECONDS)
        woken = asyncio.Event()
        streams = self._woken[str(patient_id)]
        streams.add(woken)
        self._open[account_id] += 1
        try:
            yield woken
        finally:
            streams.discard(woken)
            if not streams:
                self._woken.pop(str(patient_id), None)
            self._open[account_id] -= 1
            if not self._open[account_id]:
                del self._open[account_id]

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Wake the streams that need it, during the block."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._end())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self, payload: str) -> None:
        """Wake the streams of the patients that a notification names."""
        for patient_id in payload.split():
            for woken in self._woken.get(patient_id, ()):
                woken.set()

    def wake_all(self) -> None:
        """Wake every stream."""
        for streams in self._woken.values():
            for woken in streams:
                woken.set()

    async def _end(self) -> None:
        await self.stopping.wait()
        self.wake_all()

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_until_lost()
            except Exception as error:  # noqa: BLE001 - whatever it is, without this task streams would be silent
                _log.warning("streams are not notified, tried again", error=type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _listen_until_lost(self) -> None:
        held: Any = await asyncpg.connect(
            self._database_url,
            timeout=_ANSWER_SECONDS,
            server_settings={"application_name": "gateway streams"},
        )
        try:
            lost = asyncio.Event()
            held.add_termination_listener(lambda _: lost.set())
            await held.add_listener(CHANGED, lambda *told: self.wake(told[-1]))
            # For what was notified while nobody listened.
            self.wake_all()
            while not lost.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PROBE_SECONDS):
                        await lost.wait()
                await held.fetchval("select 1", timeout=_ANSWER_SECONDS)
        finally:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await held.close(timeout=_ANSWER_SECONDS)
