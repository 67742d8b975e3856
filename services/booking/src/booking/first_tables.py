"""What if booking's app starts before its database? It lives, says that it is not ready, and waits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import asyncpg
import structlog

from portal_eventstore.editions import create_tables
from portal_eventstore.view import View

_RETRY_SECONDS: Final = 0.5
_AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_log = structlog.get_logger()


class FirstTables:
    """Makes the views' tables, which a worker of another process may not have made yet."""

    def __init__(self, pool: Any, views: Iterable[View[Any]]) -> None:
        """Take a pool that connects when it is used."""
        self._pool = pool
        self._views = list(views)
        self._there = False

    async def missing(self) -> Sequence[str]:
        """Say what is missing, for /readyz."""
        return () if self._there else ("booking's database has not answered since the start",)

    @contextlib.asynccontextmanager
    async def made(self) -> AsyncIterator[None]:
        """Make them before the block, or beside it once the database is there."""
        task = None if await self._made() else asyncio.create_task(self._make(), name="first tables")
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _make(self) -> None:
        while not self._there:
            await asyncio.sleep(_RETRY_SECONDS)
            await self._made()

    async def _made(self) -> bool:
        try:
            await create_tables(self._pool, self._views)
        except _AWAY as error:
            _log.warning("the database does not answer, tried again", error=type(error).__name__)
        else:
            self._there = True
        return self._there
