"""Which build of a view is under way, how far is it, and may this process still write into it?

A build's tables lie in a schema of its own, named like its places. What is done stands in its row, changed in
the transactions that do it, so that a process that comes after a crash goes on there.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from portal_eventstore.parking.parked import without_discarded
from portal_eventstore.rebuild.digest import SETTINGS
from portal_eventstore.view import View

NEXT: Final = "next"
"""The suffix of a build that takes the place of the view's tables."""
CHECK: Final = "check"
"""The suffix of a build that is only compared with them."""

_IDLE_MILLISECONDS = 60_000
_CHECK_MILLISECONDS = 1_000
_SHOWN_EVERY = 0.5  # seconds

_GUARD = "select true from projection_build where id = $1 for key share"
_SHOW = "update projection_build set done = done + $2, updated_at = now() where id = $1"
_PROGRESS = "select phase, done, total from projection_build where view = $1 order by updated_at desc limit 1"


class Phase(StrEnum):
    """What a build does at the moment; each begins when the one before is done."""

    FILL = "fills the tables"
    INDEX = "makes the indexes"
    SETTLE = "settles what only all rows tell"
    FOLLOW = "catches up"
    COMPARE = "compares"
    SWITCH = "switches"


class RebuildError(Exception):
    """A rebuild cannot go on; the message is one sentence that says why, and what mends it. No payload."""


class BuildGoneError(RebuildError, ConnectionAbortedError):
    """The build was cancelled, or begun anew by somebody else.

    As if the connection were lost: it is no event's fault, and no event is parked for it (blame.py).
    """


class Progress(NamedTuple):
    """How far a build is: records of its phase, read and to be read."""

    phase: str
    done: int
    total: int

    @property
    def percent(self) -> int:
        """The part of the records that was read; 100 where there are none."""
        return min(100, 100 * self.done // self.total) if self.total else 100


@dataclass
class Build:
    """A build, as a process has it open. `view` carries the build's name, and writes only while it stands.

    `lost`, once set: the session that holds the lock is gone, and another process may work on the build.
    """

    id: UUID
    name: str
    view: View[Any]
    pool: Any
    bootstrap_servers: str
    lost: asyncio.Event | None = None
    _unshown: int = 0
    _shown_at: float = 0.0

    async def guard(self, connection: Any) -> None:
        """Keep the build standing until the transaction ends; raises BuildGoneError."""
        if self._is_lost() or await connection.fetchval(_GUARD, self.id) is None:
            raise self._gone()

    async def phase(self) -> Phase:
        """Return what is to be done; raises BuildGoneError."""
        if self._is_lost():
            raise self._gone()
        found = await self.pool.fetchval("select phase from projection_build where id = $1", self.id)
        if found is None:
            raise self._gone()
        return Phase(found)

    async def enter(self, phase: Phase, *, done: int = 0, total: int = 0, connection: Any = None) -> None:
        """Go on to `phase`, in the connection's transaction where one is given."""
        self._unshown = 0
        await (connection or self.pool).execute(
            "update projection_build set phase = $2, done = $3, total = $4, updated_at = now() where id = $1",
            self.id,
            phase.value,
            done,
            total,
        )

    def _is_lost(self) -> bool:
        return self.lost is not None and self.lost.is_set()

    def _gone(self) -> "BuildGoneError":
        if self._is_lost():
            return BuildGoneError(
                "PostgreSQL ended the work: it stopped, or somebody cancelled the rebuild; "
                "unless that was so, run the rebuild again to go on where it was."
            )
        return BuildGoneError(f"The build {self.name} is gone: somebody cancelled the rebuild.")

    async def read(self, records: int) -> None:
        """Show that so many more records were read; not at every call."""
        self._unshown += records
        if time.monotonic() - self._shown_at > _SHOWN_EVERY:
            self._shown_at, shown, self._unshown = time.monotonic(), self._unshown, 0
            await self.pool.execute(_SHOW, self.id, shown)


def build_name(view: str, suffix: str) -> str:
    """Return the name of a view's build."""
    return f"{view}_{suffix}"


@asynccontextmanager
async def build_pool(database_url: str, name: str) -> AsyncIterator[Any]:
    """Give connections whose tables are the build's.

    pg_catalog stands behind the build's schema, so that the function of that schema which says nothing is
    taken for pg_notify (tables.py).
    """
    async with asyncpg.create_pool(
        database_url,
        min_size=1,
        max_size=6,
        command_timeout=None,
        server_settings={
            **SETTINGS,
            "application_name": application_name(name),
            "search_path": f'"{name}", pg_catalog, public',
            "jit": "off",
            "statement_timeout": "0",
            # A process that was stopped in the middle, or killed, keeps nobody from going on.
            "idle_in_transaction_session_timeout": str(_IDLE_MILLISECONDS),
            "client_connection_check_interval": str(_CHECK_MILLISECONDS),
        },
    ) as pool:
        yield pool


def application_name(name: str) -> str:
    """Return what connections of a build are called, so that a cancellation finds them."""
    return f"rebuild {name}"


async def open_build(
    pool: Any, name: str, view: View[Any], bootstrap_servers: str, lost: asyncio.Event | None = None
) -> Build | None:
    """Return the build of this name and of the view's edition, where one stands."""
    found: UUID | None = await pool.fetchval(
        "select id from projection_build where build = $1 and edition = $2", name, view.edition
    )
    if found is None:
        return None
    build = Build(found, name, view, pool, bootstrap_servers, lost)

    async def apply(connection: Any, values: Sequence[Any]) -> None:
        # Without it, what comes late would go to the live tables, which are next on the search path.
        await build.guard(connection)
        await view.apply(connection, values)

    build.view = replace(view, name=name, apply=apply, parse=await without_discarded(pool, view))
    return build


async def progress(connection: Any, view: str) -> Progress | None:
    """Return how far the build of a view is, where one stands."""
    row = await connection.fetchrow(_PROGRESS, view)
    return None if row is None else Progress(row["phase"], row["done"], row["total"])
