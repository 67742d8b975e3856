"""Does a store come back from Kafka just as it was?"""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from portal_events.stored import Metadata, StoredEvent
from portal_events.topics import partition_for
from portal_eventstore.guard.guard import difference
from portal_eventstore.guard.topic_end import last_events
from portal_eventstore.kafka import Outgoing, Publisher
from portal_eventstore.log_in_order import LogInOrder
from portal_eventstore.restore import store
from portal_eventstore.restore.events import Imported, RestoreError, import_events, only_restore
from portal_eventstore.store import Append, NewEvent
from portal_eventstore.testing.kafka_log import Log, migrate, opened_log

pytestmark = pytest.mark.connected

EVENT = "select * from event order by position"
TAGS = "select * from event_tag order by tag, position"


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=2) as log:
        yield log


async def forget(log: Log) -> None:
    """Lose the database's contents, and have empty tables again."""
    await log.pool.execute("drop schema public cascade")
    await log.pool.execute("create schema public")
    await migrate(log.database_url)
    await log.pool.expire_connections()


async def restored(log: Log, **more: Any) -> Imported:
    async with only_restore(log.database_url, log.owner) as connection:
        return await import_events(connection, log.owner, log.servers, **more)


async def rows(log: Log) -> list[Any]:
    return [tuple(row) for query in (EVENT, TAGS) for row in await log.pool.fetch(query)]


async def missing(log: Log) -> str | None:
    async with log.pool.acquire() as connection:
        return await difference(connection, log.owner, await last_events(log.servers, log.topic, 10))


async def everything(log: Log) -> list[StoredEvent]:
    return await log.store.tail(0, 100_000)


def whole(count: int) -> Append:
    """Return an append with all that an event can have beside it."""
    append_id, first = uuid.uuid4(), uuid.uuid4()
    return Append(
        tuple(
            NewEvent(
                uuid.uuid4(),
                "Counted",
                3,
                ("zeta:1", f"alpha:{number}", "request:Ab-_9"),
                f'{{"text": "Zażółć \\u0000 🦊 {number}",  "b":1, "a":2}}',
                datetime(2026, 3, 29, 1, 30, 0, 123456 + number, tzinfo=UTC),
                Metadata(
                    first if number % 2 else uuid.uuid4(),
                    "system:żółw",
                    uuid.uuid4(),
                    append_id,
                    count,
                    uuid.uuid4() if number else None,
                    "hash" if number else None,
                    f"00-{uuid.uuid4().hex}-0123456789abcdef-01" if number else None,
                ),
            )
            for number in range(count)
        )
    )


async def test_given_a_lost_database_when_restored_then_every_column_of_every_row_is_as_it_was(
    log: Log,
) -> None:
    for count in (3, 1, 4):
        assert await log.store.append([whole(count)]) != [None]
    # A gap, as a batch that was rolled back leaves it.
    await log.pool.execute("select nextval('event_position')")
    await log.store.append([whole(2)])
    await log.publish(await everything(log))
    before = await rows(log)
    await forget(log)

    done = await restored(log)

    assert await rows(log) == before
    assert (done.before, done.top, done.events, done.dropped, done.lost) == (0, 11, 10, 0, 1)
    assert await log.published() == 11
    assert await missing(log) is None
    assert await log.append(uuid.uuid4(), 1) == 12


async def test_given_an_older_backup_when_restored_then_only_what_is_missing_is_added(log: Log) -> None:
    for _ in range(5):
        await log.append(uuid.uuid4(), 1, 2)
    await log.publish(await everything(log))
    before = await rows(log)
    await log.pool.execute("delete from event where position > 4")
    await log.pool.execute("delete from event_tag where position > 4")
    await log.pool.execute("select setval('event_position', 4)")

    done = await restored(log)

    assert await rows(log) == before
    assert (done.before, done.events) == (4, 6)
    assert (await restored(log)).events == 0


async def test_given_the_last_append_is_not_whole_in_kafka_when_restored_then_it_is_dropped_and_known(
    log: Log,
) -> None:
    await log.append(uuid.uuid4(), 1)
    await log.append(uuid.uuid4(), 1, 2, 3)
    published = await everything(log)
    await log.publish(published[:3])
    await forget(log)

    done = await restored(log)

    assert (done.events, done.dropped, done.top) == (1, 2, 3)
    assert [tuple(row) for row in await log.pool.fetch("select position, id from dropped_event")] == [
        (event.position, event.id) for event in published[1:3]
    ]
    assert await missing(log) is None
    assert await log.append(uuid.uuid4(), 1) == 4
    # Once more, on what is there.
    assert (await restored(log)).events == 0


async def _one_subject_each(log: Log, partitions: Sequence[int]) -> list[StoredEvent]:
    """Return an append of one event for each of these partitions, in order."""
    append_id = uuid.uuid4()
    found = []
    for number, partition in enumerate(partitions):
        event = log.stored(number + 1, in_partition(partition), number)
        metadata = replace(event.metadata, append_id=append_id, append_size=len(partitions))
        found.append(replace(event, metadata=metadata))
    return found


def in_partition(partition: int, partitions: int = 2) -> uuid.UUID:
    while True:
        subject = uuid.uuid4()
        if partition_for(str(subject).encode(), partitions) == partition:
            return subject


async def test_given_an_append_in_the_middle_is_not_whole_when_restored_then_it_is_refused_as_damage(
    log: Log,
) -> None:
    first = await _one_subject_each(log, [0, 1, 0])
    later = [log.stored(position, in_partition(position % 2), 1) for position in (4, 5, 6, 7)]
    await log.publish([*first[:2], *later])

    with pytest.raises(RestoreError, match="position 1 has 3 events, of which Kafka holds 2"):
        await restored(log)
    assert await rows(log) == []
    done = await restored(log, leave_out_incomplete=True)
    assert (done.events, done.dropped) == (4, 2)


async def test_given_a_diverged_store_when_restored_then_it_is_refused_and_nothing_changed(log: Log) -> None:
    for _ in range(4):
        await log.append(uuid.uuid4(), 1)
    await log.publish(await everything(log))
    await log.publish([log.stored(9, uuid.uuid4(), 9)])
    await log.pool.execute("update event set id = gen_random_uuid() where position = 2")
    before = await rows(log)

    with pytest.raises(RestoreError, match=r"different events at 1 positions \(2\): nothing was changed"):
        await restored(log)

    assert await rows(log) == before
    assert await log.pool.fetchval("select last_value from event_position") == 4


async def test_given_the_backup_holds_what_was_never_relayed_when_restored_then_the_relay_goes_on_there(
    log: Log,
) -> None:
    """A blocked partition: what is behind it in others is in Kafka."""
    blocked, other = in_partition(0), in_partition(1)
    await log.append(other, 1)
    await log.append(blocked, 1)
    await log.append(other, 2)
    stored = await everything(log)
    await log.publish([stored[0], stored[2], log.stored(4, other, 3)])

    done = await restored(log)

    assert (done.events, done.unpublished) == (1, 1)
    assert await log.published() == 1


@pytest.mark.parametrize("die_at", range(1, 5))
async def test_hazard_killed_while_it_restores_then_writes_stay_refused_and_it_goes_on(
    log: Log, monkeypatch: pytest.MonkeyPatch, die_at: int
) -> None:
    for _ in range(6):
        await log.append(uuid.uuid4(), 1, 2)
    await log.publish(await everything(log))
    before = await rows(log)
    await forget(log)
    steps = 0

    def dying(function: Any, *, after: bool) -> Any:
        async def step(*arguments: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == die_at and not after:
                raise ConnectionResetError
            await function(*arguments)
            if steps == die_at:
                raise ConnectionResetError

        return step

    whole_batch = LogInOrder.batches

    async def in_small_batches(self: Any) -> Any:
        async for items in whole_batch(self):
            for item in items:
                yield [item]

    with monkeypatch.context() as patch:
        patch.setattr(LogInOrder, "batches", in_small_batches)
        patch.setattr(store, "prepare", dying(store.prepare, after=die_at % 2 == 0))
        patch.setattr(store, "add", dying(store.add, after=die_at % 2 == 0))
        with pytest.raises(ConnectionResetError):
            await restored(log)
    assert "./portal restore" in (await missing(log) or "")
    position = await log.pool.fetchval("select coalesce(max(position), 0) from event")
    assert position % 2 == 0, "half an append"

    await restored(log)

    assert await rows(log) == before
    assert await missing(log) is None
    assert await log.append(uuid.uuid4(), 1) == 13


async def test_given_a_restore_runs_when_another_begins_then_it_is_told_to_wait(log: Log) -> None:
    async with only_restore(log.database_url, log.owner):
        with pytest.raises(RestoreError, match="another restore"):
            await restored(log)


async def test_given_somebody_writes_meanwhile_when_restored_then_it_stops(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await log.append(uuid.uuid4(), 1)
    await log.publish(await everything(log))
    await forget(log)
    prepare = store.prepare

    async def and_write(*arguments: Any) -> None:
        await prepare(*arguments)
        await log.append(uuid.uuid4(), 1)

    monkeypatch.setattr(store, "prepare", and_write)
    with pytest.raises(RestoreError, match="somebody wrote"):
        await restored(log)


async def test_given_twenty_thousand_events_when_restored_then_all_are_there(log: Log) -> None:
    events_ = [log.stored(position, uuid.uuid4(), position) for position in range(1, 20_001)]
    await log.publish(events_)

    done = await restored(log)

    assert done.events == 20_000
    assert await log.pool.fetchval("select count(*) from event_tag") == 20_000


async def test_given_a_record_that_is_no_event_when_restored_then_its_place_is_named(log: Log) -> None:
    await log.publish([log.stored(1, uuid.uuid4(), 1)])
    publisher = await Publisher.connect(log.servers)
    await publisher.publish(log.topic, 0, [Outgoing(b"k", b"v")])
    await publisher.close()

    with pytest.raises(RestoreError, match=rf"{log.topic}/0@\d+ is no event"):
        await restored(log)
