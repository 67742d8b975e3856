"""Does a worker have its views built anew when the tables are not its own, while they serve on?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from portal_eventstore.editions import Standing, create_tables, standing
from portal_eventstore.project import Projector
from portal_eventstore.rebuild.rebuild import rebuild
from portal_eventstore.testing.kafka_log import Log, opened_log
from portal_eventstore.testing.tally import tally
from portal_eventstore.view import NO_ROWS, View

from .test_rebuild import events, following, seen, times, until

pytestmark = pytest.mark.connected


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=3) as log:
        yield log


@asynccontextmanager
async def working(log: Log, view: View[Any]) -> AsyncIterator[Projector]:
    """A worker that builds in this process."""

    async def build(wanted: View[Any]) -> None:
        await rebuild(log.database_url, log.servers, wanted)

    projector = Projector(
        service=log.owner, pool=log.pool, bootstrap_servers=log.servers, views=[view], rebuilds=build
    )
    await projector.start()
    try:
        yield projector
    finally:
        await projector.stop()


async def stands(log: Log, view: View[Any]) -> Standing:
    async with log.pool.acquire() as connection:
        return await standing(connection, view)


async def test_given_a_new_version_when_started_then_built_by_itself_while_the_old_tables_serve(
    log: Log,
) -> None:
    old, new = tally(log), tally(log, version=2, bulk=False)
    hold, held = asyncio.Event(), asyncio.Event()

    async def apply(connection: Any, batch: Any) -> None:
        held.set()
        await hold.wait()
        await new.apply(connection, batch)

    await log.publish(events(log, 1, 100))
    async with following(log, old) as older:
        await seen(log, 99)
        async with working(log, replace(new, apply=apply)) as newer:
            await asyncio.wait_for(held.wait(), 20)

            async def told() -> bool:
                return "view tally: is being built anew, " in str(newer.problems())

            await until(told)
            # The old code goes on with the old tables.
            await log.publish(events(log, 100, 120))
            await seen(log, 119)
            assert await times(log) == 119
            hold.set()

            async def replaced() -> bool:
                return await stands(log, new) is Standing.OURS and newer.problems() == []

            await until(replaced)
            await log.publish(events(log, 120, 150))
            await seen(log, 149)
            assert await times(log) == 149

            async def left() -> bool:
                return "of a newer edition, which this process does not follow" in str(older.problems())

            await until(left)
    # Nor does it build its own again when it is started.
    async with working(log, old) as older:
        await until(lambda: _told(older, "of a newer edition"))
        assert await stands(log, new) is Standing.OURS


async def _told(projector: Projector, what: str) -> bool:
    return what in str(projector.problems())


async def test_given_a_table_was_dropped_when_started_then_all_of_it_is_built_anew(log: Log) -> None:
    view = tally(log)
    async with following(log, view):
        await log.publish(events(log, 1, 100))
        await seen(log, 99)
    await log.pool.execute("drop table tally")
    # A process that only reads hides nothing.
    await create_tables(log.pool, [view])
    with pytest.raises(asyncpg.UndefinedTableError):
        await times(log)
    async with working(log, view) as projector:

        async def rebuilt() -> bool:
            return await stands(log, view) is Standing.OURS and projector.problems() == []

        await until(rebuilt)
        assert await times(log) == 99
        await log.publish(events(log, 100, 120))
        await seen(log, 119)
    assert await times(log) == 119


async def test_given_places_of_code_that_knew_no_editions_when_started_then_built_anew(log: Log) -> None:
    view = tally(log)
    async with following(log, view):
        await log.publish(events(log, 1, 100))
        await seen(log, 99)
    await log.pool.execute("update projection_position set edition = null; delete from projection_view")
    await log.pool.execute("update tally set times = 1000")
    async with working(log, view):

        async def rebuilt() -> bool:
            return await stands(log, view) is Standing.OURS

        await until(rebuilt)
    assert await times(log) == 99


async def test_given_two_workers_when_a_view_must_be_built_then_one_builds_and_both_follow(log: Log) -> None:
    async with following(log, tally(log)):
        await log.publish(events(log, 1, 100))
        await seen(log, 99)
    new = tally(log, version=2)
    async with working(log, new) as one, working(log, new) as other:

        async def both() -> bool:
            ours = await stands(log, new) is Standing.OURS
            return ours and one.problems() == [] == other.problems()

        await until(both, 30)
        await log.publish(events(log, 100, 120))
        await seen(log, 119)
    assert await times(log) == 119


async def test_given_a_reaction_of_another_edition_when_started_then_it_goes_on_where_it_was(
    log: Log,
) -> None:
    done: list[int] = []

    async def react(_: Any, batch: Any) -> None:
        done.extend(received.stored.position for received in batch)

    first = replace(tally(log), table=NO_ROWS, apply=react, bulk=None)
    async with following(log, first):
        await log.publish(events(log, 1, 50))
        await seen(log, 49)
    async with following(log, replace(first, version=2)):
        await log.publish(events(log, 50, 60))
        await seen(log, 59)
    assert sorted(done) == list(range(1, 60))


async def test_given_readers_with_prepared_statements_when_switched_many_times_then_none_fails(
    log: Log,
) -> None:
    view = tally(log)
    failures: list[str] = []
    reads = 0
    async with following(log, view), asyncpg.create_pool(log.database_url, min_size=4, max_size=4) as readers:
        await log.publish(events(log, 1, 100))
        await seen(log, 99)
        done = asyncio.Event()

        async def read() -> None:
            nonlocal reads
            while not done.is_set():
                try:
                    rows = await readers.fetch("select * from tally where times > $1", 0)
                    counted = await readers.fetchval(
                        "select sum(times) from tally join tally_number using (subject)"
                    )
                except asyncpg.PostgresError as error:
                    failures.append(repr(error))
                else:
                    if len(rows) != 10 or not counted:
                        failures.append(f"{len(rows)} rows")
                reads += 1

        reading = [asyncio.create_task(read()) for _ in range(4)]
        for _ in range(5):
            assert (await rebuild(log.database_url, log.servers, view)).comparison.equal
        done.set()
        await asyncio.gather(*reading)
    assert failures == []
    assert reads > 100
