"""What is done to a build, one phase after another, until it has caught up with Kafka?"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

from portal_eventstore.rebuild.build import Build, Phase
from portal_eventstore.rebuild.fill import fill
from portal_eventstore.rebuild.follow import Following, ends
from portal_eventstore.rebuild.in_order import fill_in_order
from portal_eventstore.rebuild.tables import tables_in

Helper: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""Fills units in a process of its own, and returns when it has ended, however it has."""

_INDEX_MEMORY = "128MB"
_LITTLE = 500  # records
_ROUNDS = 20

_FENCES = "select topic, partition, fence from projection_build_unit where build = $1"
_MADE = """
update projection_build set definitions = definitions[2:], done = $2, updated_at = now() where id = $1
"""
_FILLED = """
select coalesce(sum(fence) filter (where state <> 'waiting'), 0)::bigint as done,
    coalesce(sum(fence), 0)::bigint as total
from projection_build_unit where build = $1
"""


async def built(build: Build, helpers: Sequence[Helper]) -> Following:
    """Do all that is not done yet, up to a build that has caught up; return what keeps it so."""
    phase = await build.phase()
    if phase is Phase.FILL:
        await _fill(build, helpers)
        phase = Phase.INDEX
    if phase is Phase.INDEX:
        await _index(build)
        phase = Phase.SETTLE
    if phase is Phase.SETTLE:
        await _settle(build)
    following = Following(build)
    await following.begin()
    await _catch_up(build, following)
    await build.enter(Phase.COMPARE)
    return following


async def _fill(build: Build, helpers: Sequence[Helper]) -> None:
    filled = await build.pool.fetchrow(_FILLED, build.name)
    await build.enter(Phase.FILL, done=filled["done"], total=filled["total"])
    if build.view.bulk is None:
        units = await build.pool.fetch(_FENCES, build.name)
        await fill_in_order(build, {(unit["topic"], unit["partition"]): unit["fence"] for unit in units})
    else:
        async with asyncio.TaskGroup() as group:
            helping = [group.create_task(helper()) for helper in helpers]
            await fill(build)
            for helper in helping:
                helper.cancel()
    await build.enter(Phase.INDEX)


async def _index(build: Build) -> None:
    """Make indexes and constraints, each in a transaction of its own."""
    rest = await build.pool.fetchval("select definitions from projection_build where id = $1", build.id)
    total = len(rest)
    await build.enter(Phase.INDEX, total=total)
    for number, definition in enumerate(rest, start=1):
        async with build.pool.acquire() as connection, connection.transaction():
            await build.guard(connection)
            await connection.execute(f"set local maintenance_work_mem = '{_INDEX_MEMORY}'")
            await connection.execute(definition)
            await connection.execute(_MADE, build.id, number)
    await build.enter(Phase.SETTLE)


async def _settle(build: Build) -> None:
    async with build.pool.acquire() as connection:
        async with connection.transaction():
            await build.guard(connection)
            bulk = build.view.bulk
            if bulk is not None and bulk.settle:
                await connection.execute(bulk.settle)
            await build.enter(Phase.FOLLOW, connection=connection)
        for table in await tables_in(connection, build.name):
            # Readers begin with statistics, and with indexes that alone answer.
            await connection.execute(f'vacuum (analyze) "{build.name}"."{table}"')


async def _catch_up(build: Build, following: Following) -> None:
    """Apply what there is, again and again, until little comes meanwhile."""
    for _ in range(_ROUNDS):
        goals = await ends(build)
        done = sum(following.place(tp) for tp in goals)
        await build.enter(Phase.FOLLOW, done=done, total=sum(goals.values()))
        if await following.to(goals) < _LITTLE:
            return


async def records_of(build: Build) -> int:
    """Return how many records lie before the fences."""
    filled = await build.pool.fetchrow(_FILLED, build.name)
    return int(filled["total"])
