"""What keeps work going beside the answering of requests?

One loop a piece of work: as long as there is more, at once; otherwise when PostgreSQL notifies, or after a
while. Whatever goes wrong is logged, and tried again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import structlog

from portal_chassis.logs import exception_summary

_LONGEST_PAUSE: Final = 5.0

_log = structlog.get_logger()


class Background:
    """Does `work` again and again; it returns whether there is more to do at once."""

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[bool]],
        *,
        seconds: float,
        database_url: str,
        channels: Sequence[str] = (),
        problems: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """Wait `seconds` between rounds, or until one of `channels` is notified.

        `problems` says what /readyz should; most work is such that nobody waits for it.
        """
        self._name = name
        self._work = work
        self._seconds = seconds
        self._database_url = database_url
        self._channels = channels
        self._problems = problems
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Do no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def problems(self) -> Sequence[str]:
        """Say what keeps the work from being done."""
        return self._problems()

    async def _run(self) -> None:
        while True:
            try:
                async with self._listening():
                    while True:
                        self._wake.clear()
                        if not await self._work():
                            with contextlib.suppress(TimeoutError):
                                async with asyncio.timeout(self._seconds):
                                    await self._wake.wait()
            except Exception as error:  # noqa: BLE001 - it is logged, and tried again
                _log.warning("background work failed", work=self._name, failure=exception_summary(error))
            await asyncio.sleep(min(self._seconds, _LONGEST_PAUSE))

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        """Be woken by notifications. Without them, and when they are lost, `seconds` is the longest wait."""
        if not self._channels:
            yield
            return
        settings = {"application_name": f"identity {self._name}"}
        connection: Any = await asyncpg.connect(self._database_url, server_settings=settings)
        try:
            for channel in self._channels:
                await connection.add_listener(channel, lambda *_: self._wake.set())
            yield
        finally:
            await connection.close(timeout=_LONGEST_PAUSE)
