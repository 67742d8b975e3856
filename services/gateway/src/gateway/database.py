"""How does the gateway talk to its own database, and what does a person see when it does not answer?"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import asyncpg

from gateway.unavailable import ServiceUnavailable

_CONNECT_SECONDS: Final = 2.0
_STATEMENT_SECONDS: Final = 5.0

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # A connection ended while idle, before the driver noticed.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    # A view that no worker has made yet.
    asyncpg.UndefinedTableError,
)


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that is not reset when it returns to the pool: the gateway leaves no session state."""

    def get_reset_query(self) -> str:
        return ""


@asynccontextmanager
async def connected(database_url: str, application_name: str) -> AsyncIterator[Any]:
    """Give a pool for the block. It connects when first used, so that a start waits for no database."""
    pool: Any = asyncpg.create_pool(
        database_url,
        min_size=0,
        max_size=10,
        timeout=_CONNECT_SECONDS,
        command_timeout=_STATEMENT_SECONDS,
        connection_class=_Connection,
        server_settings={
            "application_name": application_name,
            # The same few statements for ever: planned once, by index, whatever the statistics say.
            "plan_cache_mode": "force_generic_plan",
            "enable_hashjoin": "off",
            "enable_mergejoin": "off",
            "jit": "off",
        },
    )
    async with pool:
        yield pool


@asynccontextmanager
async def connection(pool: Any) -> AsyncIterator[Any]:
    """Give one connection for the block; raises ServiceUnavailable when there is none, or it breaks."""
    with answering():
        # Not acquire(timeout=…): that makes a task for every request.
        async with asyncio.timeout(_CONNECT_SECONDS):
            held = await pool.acquire()
        try:
            yield held
        finally:
            await pool.release(held)


@contextmanager
def answering() -> Iterator[None]:
    """Turn the driver's ways of saying that the database is away into ServiceUnavailable."""
    try:
        yield
    except _AWAY as error:
        raise ServiceUnavailable from error
