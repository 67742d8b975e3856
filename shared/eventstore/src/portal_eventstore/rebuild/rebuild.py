"""How is a view built anew from Kafka, beside its tables, and put in their place?

Blue/green: fill, index, settle, catch up, compare, switch. Every step is noted in the build's row in the
step's own transaction, so that whoever comes after a crash goes on there. Nothing is sent: no reaction runs,
and the notifications of the view's own statements are silent (tables.py).
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from portal_eventstore.rebuild.begin import begin
from portal_eventstore.rebuild.build import (
    CHECK,
    NEXT,
    Build,
    BuildGoneError,
    Phase,
    RebuildError,
    build_name,
    build_pool,
    open_build,
)
from portal_eventstore.rebuild.cancel import drop_build
from portal_eventstore.rebuild.compare import Comparison, compare_with_live
from portal_eventstore.rebuild.endings import ended_by, sentences
from portal_eventstore.rebuild.fill import fill
from portal_eventstore.rebuild.lock import only_one
from portal_eventstore.rebuild.steps import Helper, built, records_of
from portal_eventstore.rebuild.switch import switch
from portal_eventstore.view import NO_ROWS, View


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did. `records`: how many were read up to the fence."""

    comparison: Comparison
    records: int
    seconds: float


async def rebuild(
    database_url: str, bootstrap_servers: str, view: View[Any], helpers: Sequence[Helper] = ()
) -> Rebuilt:
    """Build a view anew, or go on with a build that was left behind, and put it in the tables' place.

    Raises RebuildError, of which RunningError says that another process is at it.
    """
    began = time.monotonic()
    async with _opened(database_url, bootstrap_servers, view, NEXT) as build:
        following = await built(build, helpers)
        comparison = await compare_with_live(build, following, view.name, database_url)
        records = await records_of(build)
        await build.enter(Phase.SWITCH)
        await switch(build, following, view)
        return Rebuilt(comparison, records, time.monotonic() - began)


async def compare(
    database_url: str, bootstrap_servers: str, view: View[Any], helpers: Sequence[Helper] = ()
) -> Comparison:
    """Build a view beside its tables, compare them, and throw the build away.

    Rows, digests and the ids of some rows that differ, table by table. Raises RebuildError.
    """
    async with _opened(database_url, bootstrap_servers, view, CHECK) as build:
        comparison = await compare_with_live(build, await built(build, helpers), view.name, database_url)
        async with build.pool.acquire() as connection:
            await drop_build(connection, build.name)
        return comparison


async def help_filling(
    database_url: str, bootstrap_servers: str, view: View[Any], suffix: str = NEXT
) -> None:
    """Fill some units of a build that another process leads."""
    name = build_name(view.name, suffix)
    async with build_pool(database_url, name) as pool:
        build = await open_build(pool, name, view, bootstrap_servers)
        if build is not None:
            await fill(build)


@asynccontextmanager
async def _opened(
    database_url: str, bootstrap_servers: str, view: View[Any], suffix: str
) -> AsyncIterator[Build]:
    """Begin a build or take one up, and end with a sentence whatever goes wrong in the block."""
    if view.table == NO_ROWS:
        raise RebuildError(f"{view.name} keeps no rows: what it did is not done again.")
    name = build_name(view.name, suffix)
    with sentences():
        async with (
            only_one(database_url, name) as lost,
            build_pool(database_url, name) as pool,
            ended_by(lost),
        ):
            build = await open_build(pool, name, view, bootstrap_servers, lost)
            if build is None:
                await begin(pool, name, view, bootstrap_servers)
                build = await open_build(pool, name, view, bootstrap_servers, lost)
            if build is None:
                raise BuildGoneError(f"The build {name} was cancelled.")
            yield build
