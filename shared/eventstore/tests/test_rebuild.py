"""Is a view built anew beside the old one the same, and does nobody notice the change?"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from portal_events.stored import StoredEvent
from portal_eventstore.editions import create_tables
from portal_eventstore.project import Projector
from portal_eventstore.rebuild.rebuild import compare, rebuild
from portal_eventstore.testing.kafka_log import Log, opened_log
from portal_eventstore.testing.tally import CHANGED, tally
from portal_eventstore.view import View

pytestmark = pytest.mark.connected

SEEN = "select coalesce(sum(next_offset), 0) from projection_position where view = $1"
SHAPE = """
select c.relname, c.reloptions::text, coalesce(pg_get_indexdef(i.indexrelid), '') as index,
    coalesce(pg_get_constraintdef(k.oid), '') as constraint
from pg_class c
left join pg_index i on i.indrelid = c.oid
left join pg_constraint k on k.conindid = i.indexrelid
where c.relnamespace = 'public'::regnamespace and c.relname like 'tally%' and c.relkind = 'r' order by 1, 3
"""


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=3) as log:
        yield log


@asynccontextmanager
async def following(log: Log, view: View[Any]) -> AsyncIterator[Projector]:
    projector = Projector(service=log.owner, pool=log.pool, bootstrap_servers=log.servers, views=[view])
    await projector.start()
    try:
        yield projector
    finally:
        await projector.stop()


def events(log: Log, first: int, last: int) -> list[StoredEvent]:
    """Return events of ten subjects by their positions."""
    return [log.stored(n, uuid.UUID(int=n % 10), n // 10) for n in range(first, last)]


async def until(condition: Callable[[], Awaitable[Any]], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


async def seen(log: Log, records: int, view: str = "tally") -> None:
    async def all_seen() -> bool:
        return int(await log.pool.fetchval(SEEN, view)) >= records

    await until(all_seen)


async def times(log: Log) -> int:
    total: int = await log.pool.fetchval("select sum(times) from tally")
    return total


async def leftovers(log: Log) -> list[Any]:
    """Return what builds have left in the database."""
    return [
        *await log.pool.fetch("select nspname from pg_namespace where nspname like 'tally%'"),
        *await log.pool.fetch("select view from projection_position where view <> 'tally'"),
        *await log.pool.fetch("select build from projection_build"),
        *await log.pool.fetch("select view from parked where view <> 'tally'"),
    ]


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "record by record"])
async def test_given_a_followed_view_when_rebuilt_then_equal_and_followed_on_and_nothing_is_told(
    log: Log,
    bulk: bool,  # noqa: FBT001  the test's parameter
) -> None:
    view = tally(log, bulk=bulk)
    told: list[str] = []
    listener = await asyncpg.connect(log.database_url)
    await listener.add_listener(CHANGED, lambda *heard: told.append(heard[-1]))
    async with following(log, view) as projector:
        # A relay that lost its place has sent some twice.
        await log.publish(events(log, 1, 300))
        await log.publish(events(log, 200, 400))
        await seen(log, 499)
        shape = await log.pool.fetch(SHAPE)
        told.clear()
        rebuilt = await rebuild(log.database_url, log.servers, view)
        assert rebuilt.comparison.equal
        assert rebuilt.comparison.rows == {"tally": 10, "tally_number": 399}
        assert rebuilt.records == 499
        assert told == []
        assert await log.pool.fetch(SHAPE) == shape
        assert await leftovers(log) == []
        await log.publish(events(log, 400, 450))
        await seen(log, 549)
        assert projector.problems() == []
        assert told != []
    assert await times(log) == 449
    await listener.close()


async def test_given_tables_that_nobody_follows_yet_when_rebuilt_then_they_are_not_waited_for(
    log: Log,
) -> None:
    view = tally(log)
    await create_tables(log.pool, [view])
    await log.publish(events(log, 1, 100))
    rebuilt = await rebuild(log.database_url, log.servers, view)
    assert rebuilt.comparison.why_not == "nobody has followed the live tables yet"
    assert rebuilt.records == await times(log) == 99


async def test_given_one_cell_was_altered_when_rebuilt_then_the_row_is_named_and_mended(log: Log) -> None:
    view = tally(log)
    async with following(log, view):
        await log.publish(events(log, 1, 100))
        await seen(log, 99)
        await log.pool.execute("update tally set note = 'x' where subject = $1", uuid.UUID(int=7))
        found = (await compare(log.database_url, log.servers, view)).tables
        assert [table.equal for table in found] == [False, True]
        assert found[0].differing == (str(uuid.UUID(int=7)),)
        assert await leftovers(log) == []
        assert not (await rebuild(log.database_url, log.servers, view)).comparison.equal
        assert await log.pool.fetchval("select count(note) from tally") == 0
        assert (await rebuild(log.database_url, log.servers, view)).comparison.equal
