"""Who looks after a service's append lock, relay and views while it runs?

One watcher a worker: it looks every two seconds, on a connection of its own, whatever the relay and the
views of this process do. So a standby notices that the owner hangs.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from portal_eventstore.vitals.diagnosis import Diagnosis, Findings, Reading
from portal_eventstore.vitals.signs import look

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 2.0
_OUTDATED_SECONDS: Final = 10.0


class Watcher:
    """Looks again and again; what it found last is there for /readyz and /metrics."""

    def __init__(
        self,
        database_url: str,
        service: str,
        views: Sequence[str],
        *,
        keeps_log: bool,
        seconds: float = _LOOK_SECONDS,
    ) -> None:
        """Look at the service's own database every so many `seconds`."""
        self._database_url = database_url
        self._service = service
        self._views = views
        self._keeps_log = keeps_log
        self._seconds = seconds
        self._found: tuple[Findings, float] | None = None
        self._began = time.monotonic()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look during the block; the database need not be up."""
        task = asyncio.create_task(self._watch(), name=f"{self._service} vitals")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def findings(self) -> Findings | None:
        """Return what was found, unless that was long ago: nobody is to take it for how things are."""
        return None if self._found is None or self.age > _OUTDATED_SECONDS else self._found[0]

    @property
    def age(self) -> float:
        """Return the seconds since the last look that succeeded, or since the beginning."""
        return time.monotonic() - (self._began if self._found is None else self._found[1])

    def problems(self) -> Sequence[str]:
        """Say what keeps the service from its work."""
        return () if self.findings is None else self.findings.failing

    def degraded(self) -> Sequence[str]:
        """Say what is not as it should be, though everything goes on."""
        if self.findings is not None:
            return self.findings.degraded
        if self.age <= _OUTDATED_SECONDS:
            return ()
        return (f"vitals of {self._service}: not known for {self.age:.0f} s",)

    async def _watch(self) -> None:
        diagnosis = Diagnosis(self._service, Reading(time.monotonic(), time.time()))
        told = False
        while True:
            try:
                async with self._connected() as connection:
                    while True:
                        async with asyncio.timeout(_ANSWER_SECONDS):
                            signs = await look(connection, self._views, keeps_log=self._keeps_log)
                        now = Reading(time.monotonic(), time.time())
                        self._found = diagnosis.take(signs, now), now.clock
                        told = False
                        await asyncio.sleep(self._seconds)
            except Exception as error:  # noqa: BLE001  whatever it is: what was found grows old, and is tried again
                if not told:
                    _log.warning("vitals of %s: cannot be read (%s)", self._service, type(error).__name__)
                told = True
            await asyncio.sleep(self._seconds)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        connection = await asyncpg.connect(
            self._database_url,
            timeout=_ANSWER_SECONDS,
            server_settings={
                "application_name": f"{self._service} vitals",
                "statement_timeout": "2s",
                "jit": "off",
            },
        )
        try:
            yield connection
        finally:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await connection.close(timeout=_ANSWER_SECONDS)
