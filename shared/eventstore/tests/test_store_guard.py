"""Does a store that is younger than its topic refuse to write, until it was mended?"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from portal_eventstore.decision import StoreUnavailable
from portal_eventstore.execute import Decider
from portal_eventstore.guard import identity
from portal_eventstore.guard.guard import StoreGuard
from portal_eventstore.guard.topic_end import last_events
from portal_eventstore.history import SilentKafkaError
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.relay.publish import Relay
from portal_eventstore.store import Query
from portal_eventstore.testing.kafka_log import Log, opened_log
from portal_eventstore.testing.world import COUNT, Take, append, context, thing

pytestmark = pytest.mark.connected

NOBODY = "127.0.0.1:1"


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=3) as log:
        yield log


@asynccontextmanager
async def guarded(log: Log, servers: str | None = None) -> AsyncIterator[tuple[StoreGuard, PostgresStore]]:
    guard = StoreGuard(log.database_url, log.owner, servers or log.servers)
    store = await PostgresStore.connect(log.database_url, log.owner, guard)
    await guard.start()
    try:
        yield guard, store
    finally:
        await store.close()
        await guard.stop()


async def until(condition: Callable[[], Any], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


def admitted(guard: StoreGuard) -> bool:
    return not guard.problems()


async def published(log: Log, *counts: int) -> None:
    """Append some events of several subjects, and put them on the topic."""
    for count in counts:
        await log.append(uuid.uuid4(), *range(count))
    await log.publish(await log.store.tail(0, 10_000))


async def lose_tail(log: Log, above: int) -> None:
    """Do what reading in an older dump does: other tables of the same names, with less in them."""
    async with log.pool.acquire() as connection, connection.transaction():
        for table, key in (("event", "position"), ("event_tag", "tag, position")):
            await connection.execute(f"create table older (like {table} including all)")
            older = f"select * from {table} where position <= $1 order by {key}"  # noqa: S608  our own names
            await connection.execute(f"insert into older {older}", above)
            await connection.execute(f"drop table {table}")
            await connection.execute(f"alter table older rename to {table}")
        await connection.execute("select setval('event_position', $1)", above)


async def write(store: PostgresStore) -> bool:
    try:
        return await store.append([append(uuid.uuid4())]) != [None]
    except StoreUnavailable:
        return False


async def test_given_a_topic_ahead_when_started_then_writes_are_refused_by_name_and_reads_go_on(
    log: Log,
) -> None:
    await published(log, 3, 3)
    await lose_tail(log, 3)

    async with guarded(log) as (guard, store):
        assert not await write(store)
        sentence = "'s store ends at position 3, but Kafka holds up to 6: run ./portal restore "
        await until(lambda: guard.problems() == [f"{log.owner}{sentence}{log.owner}"])
        assert not await write(store)
        with pytest.raises(StoreUnavailable):
            async with store.exclusive():
                pass
        assert await store.head() == 3
        assert len(await store.tail(0, 10)) == 3


async def test_given_a_store_that_is_ahead_of_kafka_when_started_then_it_is_admitted_and_remembered(
    log: Log,
) -> None:
    await published(log, 3)
    await log.append(uuid.uuid4(), 1)

    async with guarded(log) as (guard, store):
        await until(lambda: admitted(guard))
        assert await write(store)
        assert await log.pool.fetchval("select count(*) from store_identity") == 1


async def test_given_kafka_is_down_when_started_then_only_a_store_that_was_compared_is_admitted(
    log: Log,
) -> None:
    await published(log, 1)
    async with guarded(log, NOBODY) as (guard, store):
        await until(lambda: "Kafka does not answer" in "".join(guard.problems()))
        assert not await write(store)
    async with guarded(log) as (guard, store):
        await until(lambda: admitted(guard))
    async with guarded(log, NOBODY) as (guard, store):
        await until(lambda: admitted(guard))
        assert await write(store)
    for changed in (
        "system = '1'",
        "timeline = '0000000A'",
        "database = 1::oid",
        "tables = 1::oid",
    ):
        async with log.pool.acquire() as connection, connection.transaction():
            before = await connection.fetchrow(
                "select system, timeline, database, tables from store_identity"
            )
            await connection.execute(f"update store_identity set {changed}")  # noqa: S608  our own text
        async with guarded(log, NOBODY) as (guard, store):
            await until(lambda: "Kafka does not answer" in "".join(guard.problems()))
            assert not await write(store)
        await log.pool.execute(
            "update store_identity set system = $1, timeline = $2, database = $3, tables = $4", *before
        )


async def test_given_kafka_was_down_at_the_start_when_it_is_back_then_the_store_is_compared(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    await published(log, 3, 3)
    async with guarded(log) as (guard, _):
        await until(lambda: admitted(guard))
    # What no identity shows: rows are gone, server and files are the same.
    await log.pool.execute("delete from event where position > 3")
    down = True

    async def last(*arguments: Any) -> Any:
        if down:
            raise SilentKafkaError
        return await last_events(*arguments)

    monkeypatch.setattr("portal_eventstore.guard.guard.last_events", last)
    async with guarded(log) as (guard, store):
        await until(lambda: admitted(guard))
        down = False
        await until(lambda: "./portal restore" in "".join(guard.problems()))
        assert not await write(store)


async def test_given_an_older_dump_was_read_in_under_a_running_store_when_written_then_refused(
    log: Log,
) -> None:
    await published(log, 3, 3)
    async with guarded(log) as (guard, store):
        await until(lambda: admitted(guard))
        await lose_tail(log, 3)
        await until(lambda: "./portal restore" in "".join(guard.problems()))
        assert not await write(store)
        assert await store.head() == 3


async def test_hazard_failover_when_connections_lead_to_another_server_then_it_is_compared_first(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    await published(log, 2)
    down = False

    async def last(*arguments: Any) -> Any:
        if down:
            raise SilentKafkaError
        return await last_events(*arguments)

    monkeypatch.setattr("portal_eventstore.guard.guard.last_events", last)
    async with guarded(log) as (guard, store):
        await until(lambda: admitted(guard))
        generation = store.generation
        down = True
        monkeypatch.setattr(
            identity,
            "_IDENTIFY",
            identity._IDENTIFY.replace(
                "select (select system_identifier::text from pg_control_system())", "select 'x'"
            ),
        )
        await log.pool.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name <> ''"
        )
        assert not await write(store)
        await until(lambda: not admitted(guard))
        assert not await write(store)
        assert await store.head() == 2
        down = False
        await until(lambda: admitted(guard))
        assert await write(store)
        assert store.generation == generation + 1
        assert await log.pool.fetchval("select system from store_identity") == "x"


async def test_hazard_a_replica_was_promoted_from_an_older_state_then_it_is_not_written_to(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    await published(log, 1)
    monkeypatch.setattr(
        identity, "_IDENTIFY", identity._IDENTIFY.replace("when pg_is_in_recovery() then", "when true then")
    )
    async with guarded(log) as (guard, store):
        await until(lambda: "replica" in "".join(guard.problems()))
        assert not await write(store)


async def test_given_a_relay_when_its_store_was_not_admitted_then_it_publishes_nothing(
    log: Log,
) -> None:
    await published(log, 3, 3)
    await lose_tail(log, 3)
    await log.append(uuid.uuid4(), 1)
    records = len(await log.records())

    async with guarded(log) as (guard, _):
        relay = Relay(
            database_url=log.database_url, owner=log.owner, bootstrap_servers=log.servers, guard=guard
        )
        await relay.start()
        try:
            await until(lambda: "./portal restore" in "".join(guard.problems()))
            for _ in range(10):
                assert not relay.owns
                await asyncio.sleep(0.05)
            assert await log.published() == 0
            assert len(await log.records()) == records
        finally:
            await relay.stop()


async def test_given_a_running_relay_when_an_older_dump_is_read_in_then_it_publishes_nothing_of_it(
    log: Log,
) -> None:
    async with guarded(log) as (guard, _):
        relay = Relay(
            database_url=log.database_url, owner=log.owner, bootstrap_servers=log.servers, guard=guard
        )
        await until(lambda: admitted(guard))
        await relay.start()
        try:
            await log.append(uuid.uuid4(), 1, 2, 3)
            await until(lambda: relay.owns)
            async with asyncio.timeout(10):
                while await log.published() < 3:  # noqa: ASYNC110  another process' row: no event tells
                    await asyncio.sleep(0.02)
            await lose_tail(log, 1)
            await until(lambda: not admitted(guard))
            await until(lambda: not relay.owns)
        finally:
            await relay.stop()


async def test_given_relays_died_over_duplicates_when_asked_then_the_topic_ends_at_the_highest(
    log: Log,
) -> None:
    subject = uuid.uuid4()
    await log.append(subject, *range(200))
    events = await log.store.tail(0, 300)
    await log.publish(events)
    # Twice it died again before it had got so far.
    await log.publish(events[:150])
    await log.publish(events[:100])

    [last] = await last_events(log.servers, log.topic, 10)

    assert (last.position, last.id) == (200, events[-1].id)


async def test_given_a_decider_that_knew_a_state_when_the_store_was_replaced_then_it_decides_on_what_is_there(
    log: Log,
) -> None:
    async with guarded(log) as (guard, store):
        await until(lambda: admitted(guard))
        store.owner = "example"  # whose the events of the small world are
        decider, one = Decider(store), uuid.uuid4()
        for _ in range(3):
            await decider.execute(COUNT, Take(one, uuid.uuid4()), context())
        await lose_tail(log, 1)
        generation = store.generation
        await until(lambda: store.generation > generation)
        outcome = await decider.execute(COUNT, Take(one, uuid.uuid4()), context())
        await decider.close()

        [found] = await store.read([Query(thing(one))])
        assert [f.position for f in found] == [1, 2]
        assert [getattr(event, "note", None) for event in outcome.events] == ["1"]
