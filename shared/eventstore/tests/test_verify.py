"""Does a comparison find whatever differs, and nothing else?"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from portal_eventstore.project import Projector
from portal_eventstore.relay.publish import Relay
from portal_eventstore.restore.events import import_events, only_restore
from portal_eventstore.testing.kafka_log import Log, opened_log
from portal_eventstore.verify.check import Check
from portal_eventstore.verify.log import verify_log
from portal_eventstore.verify.quick import look_at_log
from portal_eventstore.verify.views import look_at_view, verify_view
from portal_eventstore.view import Projection, Received, view_of

pytestmark = pytest.mark.connected


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=3) as log:
        yield log


@pytest.fixture
async def published(log: Log) -> Log:
    """Give a log of nine events, all of them on the topic."""
    for _ in range(3):
        await log.append(uuid.uuid4(), 1, 2, 3)
    await log.publish(await log.store.tail(0, 100))
    await log.pool.execute("update relay set published = 9")
    return log


async def checks(log: Log) -> list[Check]:
    return [check async for check in verify_log(log.database_url, log.owner, log.servers)]


async def differences(log: Log) -> list[str]:
    return [check.text for check in await checks(log) if not check.clean]


async def test_given_an_equal_store_when_verified_then_it_is_clean_and_says_what_it_saw(
    published: Log,
) -> None:
    await published.append(uuid.uuid4(), 1)
    await published.publish((await published.store.tail(0, 100))[:4])

    found = await checks(published)

    assert [check.clean for check in found] == [True] * 5
    assert found[0].text == (
        "9 events in store and topic; 1 wait to be published; 4 records are repeats, which readers drop"
    )
    assert found[2].text == "9 events compared field by field"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "update event set data = replace(data, '2', '3') where position = 5",
            "different records at position 5",
        ),
        (
            "update event set time = time + interval '1us' where position = 2",
            "different records at position 2",
        ),
        (
            "update event set metadata = replace(metadata, 'system:test', 'x') where position = 9",
            "position 9",
        ),
        ("delete from event where position = 4", "in Kafka, but not in the store: position 4"),
        ("delete from event_tag where position = 7", "event_tag differs at 7"),
        ("insert into event_tag values ('other:1', 3, 'Counted')", "event_tag differs at 3"),
        ("select setval('event_position', 5)", "the next position would be 6"),
        ("update relay set published = 10", "published, but not in Kafka: position 10"),
    ],
)
async def test_given_a_change_when_verified_then_its_position_is_named(
    published: Log, change: str, told: str
) -> None:
    await published.append(uuid.uuid4(), 1)
    assert await differences(published) == []
    await published.pool.execute(change)

    assert any(told in text for text in await differences(published))


async def test_given_a_record_more_in_kafka_when_verified_then_it_is_named(published: Log) -> None:
    await published.publish([published.stored(12, uuid.uuid4(), 1)])

    assert "in Kafka, but not in the store: position 12" in await differences(published)


async def test_given_a_record_that_overtook_another_when_verified_then_the_other_is_lost(log: Log) -> None:
    await log.append(uuid.uuid4(), 1, 2)
    first, second = await log.store.tail(0, 10)
    await log.publish([second, first])
    await log.pool.execute("update relay set published = 2")

    assert "published, but not in Kafka: position 1" in await differences(log)


async def test_given_a_restore_left_something_out_when_verified_then_it_is_explained(log: Log) -> None:
    await log.append(uuid.uuid4(), 1)
    await log.append(uuid.uuid4(), 1, 2)
    await log.publish((await log.store.tail(0, 10))[:2])
    await log.pool.execute("truncate event, event_tag")
    async with only_restore(log.database_url, log.owner) as connection:
        await import_events(connection, log.owner, log.servers)

    found = await checks(log)

    assert [check.clean for check in found] == [True] * 5
    assert "1 left out by a restore" in found[0].text


async def test_given_writers_and_a_relay_when_verified_meanwhile_then_it_is_clean(log: Log) -> None:
    writing = True

    async def write() -> None:
        while writing:
            await log.append(uuid.uuid4(), 1, 2)

    relay = Relay(database_url=log.database_url, owner=log.owner, bootstrap_servers=log.servers)
    await relay.start()
    writers = [asyncio.create_task(write()) for _ in range(3)]
    try:
        deadline = time.monotonic() + 30
        while await log.published() < 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        for _ in range(3):
            assert await differences(log) == []
    finally:
        writing = False
        await asyncio.gather(*writers)
        await relay.stop()


async def test_given_ends_when_looked_at_quickly_then_a_topic_ahead_is_told(published: Log) -> None:
    [found] = await look_at_log(published.database_url, published.owner, published.servers)
    assert found.clean
    assert "9 events up to position 9; published up to 9; Kafka holds up to 9" in found.text
    await published.publish([published.stored(10, uuid.uuid4(), 1)])
    [found] = await look_at_log(published.database_url, published.owner, published.servers)
    assert not found.clean
    assert "./portal restore" in found.text


async def apply(connection: Any, received: Sequence[Received]) -> None:
    await connection.executemany(
        "insert into numbered values ($1, $2, $3)",
        [(r.stored.position, r.stored.id, r.event.model_dump_json()) for r in received],
    )


async def test_given_a_view_when_one_cell_is_changed_then_it_is_found(published: Log) -> None:
    table = "create table if not exists numbered (position bigint primary key, id uuid, data text);"
    projection = Projection("numbered", (published.topic,), (published.counted,), table, apply)
    projector = Projector(
        service=published.owner,
        pool=published.pool,
        bootstrap_servers=published.servers,
        projections=[projection],
    )
    await projector.start()
    deadline = time.monotonic() + 30
    while await published.pool.fetchval("select count(*) from numbered") < 9:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await projector.stop()
    view, url, servers = view_of(projection), published.database_url, published.servers

    [whole] = await verify_view(url, servers, view)
    [quick] = await look_at_view(url, servers, view)
    await published.pool.execute("update numbered set data = data || ' ' where position = 3")
    [changed] = await verify_view(url, servers, view)

    assert whole.clean, whole
    assert quick == Check(clean=True, text="view numbered: 0 records to read")
    assert changed.clean is False
    assert "numbered" in changed.text
