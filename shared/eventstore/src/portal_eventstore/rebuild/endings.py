"""How does a rebuild end when it cannot go on?

With one sentence that says why; and at once, when somebody else may work on the build.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from portal_eventstore.history import LostHistoryError, SilentKafkaError
from portal_eventstore.rebuild.build import BuildGoneError, RebuildError

_KEEP: Final = "what was built is kept: run the rebuild again to go on, or end it with --cancel."
_ENDED: Final = "PostgreSQL ended the work: it stopped, or somebody cancelled the rebuild"


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Say in one sentence why a rebuild cannot go on."""
    try:
        yield
    except Exception as error:
        cause = _first(error)
        sentence = _sentence(cause)
        if isinstance(cause, RebuildError):
            raise cause from None
        if sentence is None:
            raise
        raise RebuildError(sentence) from None


def _sentence(error: BaseException) -> str | None:
    match error:
        case SilentKafkaError():
            return f"{error}; {_KEEP}"
        case LostHistoryError():
            return f"{error}: the view cannot be built from Kafka alone."
        case asyncpg.DiskFullError():
            return f"The database's disk is full; free some space; {_KEEP}"
        case asyncpg.OperatorInterventionError() | asyncpg.IdleInTransactionSessionTimeoutError():
            return f"{_ENDED}; {_KEEP}"
        case OSError() | asyncpg.InterfaceError() | asyncpg.PostgresConnectionError():
            return f"PostgreSQL does not answer ({type(error).__name__}); {_KEEP}"
        case _:
            return None


def _first(error: BaseException) -> BaseException:
    """Return the first of errors that were raised side by side."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@asynccontextmanager
async def ended_by(lost: asyncio.Event) -> AsyncIterator[None]:
    """End the block when PostgreSQL has ended the session that holds the lock: another may take it."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("not in a task")

    async def watch() -> None:
        await lost.wait()
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not lost.is_set():
            raise
        task.uncancel()
        raise BuildGoneError(f"{_ENDED}; {_KEEP}") from None
    finally:
        watching.cancel()
