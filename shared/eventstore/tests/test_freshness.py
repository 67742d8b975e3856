"""Is it known up to when a view is complete, whatever keeps it from going on?"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from portal_events.topics import partition_for
from portal_eventstore import freshness, project
from portal_eventstore.consume import ViewConsumption
from portal_eventstore.freshness import End, Freshness, Looks, note
from portal_eventstore.kafka import Consumers, Incoming, Partition, Range
from portal_eventstore.relay.publish import Relay
from portal_eventstore.testing.kafka_log import Log, effects, following, opened_log, topics
from portal_eventstore.view import view_of
from portal_eventstore.vitals.signs import look
from portal_eventstore.vitals.unpublished import appended_at

pytestmark = pytest.mark.connected

SUBJECT = uuid.UUID(int=1)


@pytest.fixture
async def log(log_url: str, kafka: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Log]:
    monkeypatch.setattr(project, "_WATCH_SECONDS", 0.1)
    monkeypatch.setattr(freshness, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(freshness, "STALE_AFTER", timedelta(seconds=1.5))
    async with opened_log(log_url, kafka, partitions=4) as log:
        yield log


@asynccontextmanager
async def _known(log: Log, *, keeps_log: bool = False) -> AsyncIterator[Freshness]:
    found = Freshness(log.pool, {"effects": (log.topic,)}, log_of=log.owner if keeps_log else None)
    async with found.kept():
        yield found


async def _until(condition: Callable[[], bool], within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


async def _fresh_since(known: Freshness, moment: datetime) -> None:
    await _until(lambda: (at := known.complete_until("effects")) is not None and at > moment)


async def _behind(log: Log, records: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        async with log.pool.acquire() as connection:
            [view] = (await look(connection, ["effects"], keeps_log=False)).views
        if view.behind == records:
            return
        assert time.monotonic() < deadline, f"{view.behind} behind"
        await asyncio.sleep(0.02)


async def _publish(log: Log, numbers: Sequence[int]) -> None:
    await log.publish([log.stored(number, SUBJECT, number) for number in numbers])


async def test_given_a_view_that_follows_then_its_time_goes_on_though_nothing_happens(log: Log) -> None:
    async with following(log, effects(log.counted)), _known(log) as known:
        assert not known.stale("effects")
        for _ in range(3):
            await _fresh_since(known, datetime.now(UTC))
            assert not known.stale("effects")


async def test_hazard_a_view_does_not_go_on_then_its_time_stands_still_until_it_does(log: Log) -> None:
    broken = False

    def fail() -> None:
        if broken:
            raise ConnectionError

    async with following(log, effects(log.counted, before=fail)) as projector, _known(log) as known:
        await _fresh_since(known, datetime.now(UTC))
        broken = True
        await _publish(log, range(1, 6))
        published = datetime.now(UTC)
        await _until(lambda: known.stale("effects"))
        stood = known.complete_until("effects")
        assert stood is not None
        assert stood < published
        assert projector.stopped() == {"effects": True}
        await _behind(log, 5)
        assert known.complete_until("effects") == stood

        broken = False
        await _fresh_since(known, published)
        assert not known.stale("effects")
        assert projector.stopped() == {"effects": False}


async def test_hazard_a_view_is_some_records_behind_whenever_asked_then_it_is_not_stale(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, ranges, handle = 0, Consumers.ranges, ViewConsumption.handle
    not_asked = asyncio.Event()

    async def handle_when_nobody_asks(
        consumption: ViewConsumption[Any], batches: Mapping[Partition, Sequence[Incoming]]
    ) -> Mapping[Partition, int]:
        await not_asked.wait()
        return await handle(consumption, batches)

    async def publish_and_ask(consumers: Consumers, one: int) -> Mapping[Partition, Range]:
        nonlocal number
        not_asked.clear()
        number += 1
        await _publish(log, [number])
        return await ranges(consumers, one)

    async def note_and_go_on(*told: Any) -> None:
        await note(*told)
        not_asked.set()

    monkeypatch.setattr(Consumers, "ranges", publish_and_ask)
    monkeypatch.setattr(project, "note", note_and_go_on)
    monkeypatch.setattr(ViewConsumption, "handle", handle_when_nobody_asks)
    async with following(log, effects(log.counted)), _known(log) as known:
        for _ in range(3):
            await _fresh_since(known, datetime.now(UTC))
        # What waits when all is stopped would wait for ever.
        monkeypatch.setattr(Consumers, "ranges", ranges)
        not_asked.set()


async def test_given_a_batch_holds_the_place_when_the_time_is_written_then_it_waits_its_turn(
    log: Log,
) -> None:
    async with following(log, effects(log.counted)), _known(log) as known:
        await _fresh_since(known, datetime.now(UTC))
    ends = {(log.topic, partition): End(0, datetime.now(UTC)) for partition in range(log.partitions)}
    async with log.pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("select from projection_position for update")
            writing = asyncio.create_task(note(log.pool, view_of(effects(log.counted)), ends, ends))
            waits = "select exists (select from pg_locks where not granted)"
            deadline = time.monotonic() + 0.8
            while not await log.pool.fetchval(waits) and not writing.done():
                assert time.monotonic() < deadline, "it does not wait"
                await asyncio.sleep(0.01)
        await writing
    written = await log.pool.fetch("select fresh_at from projection_position")
    assert [row["fresh_at"] for row in written] == [end.at for end in ends.values()]


async def test_hazard_a_worker_that_should_be_dead_writes_then_the_place_decides(log: Log) -> None:
    async with following(log, effects(log.counted)), _known(log) as known:
        await _fresh_since(known, datetime.now(UTC))
    before = await log.pool.fetch("select fresh_at from projection_position")
    ends = {(log.topic, partition): End(1, datetime.now(UTC)) for partition in range(log.partitions)}
    await note(log.pool, view_of(effects(log.counted)), ends, ends)
    assert await log.pool.fetch("select fresh_at from projection_position") == before


def test_given_ends_of_several_looks_when_some_are_reached_then_the_last_of_these_is_had() -> None:
    looks, tp, began = Looks(), ("booking.events", 3), datetime.now(UTC)
    first, second, third = (End(10 * n, began + timedelta(seconds=2 * n)) for n in (1, 2, 3))
    looks.add({tp: first, ("booking.events", 4): first})
    looks.add({tp: second})
    looks.add({tp: third})
    assert looks.had({tp: 9, ("booking.events", 4): 10}) == {}
    assert looks.had({tp: 29}) == {tp: second}
    assert looks.had({tp: 29}) == {}
    assert looks.had({tp: 30}) == {tp: third}


async def test_hazard_kafka_lost_the_next_offset_then_the_view_has_stopped_and_is_not_fresh(
    log: Log, kafka: str
) -> None:
    async with following(log, effects(log.counted)), _known(log) as known:
        await _publish(log, range(1, 11))
        await _fresh_since(known, datetime.now(UTC))
    left = datetime.now(UTC)
    await _publish(log, range(11, 31))
    partition = partition_for(str(SUBJECT).encode(), log.partitions)
    async with topics(kafka, {}) as admin:
        await admin.delete_records({TopicPartition(log.topic, partition): RecordsToDelete(20)})
    async with following(log, effects(log.counted)) as projector, _known(log) as known:
        await _until(lambda: projector.stopped().get("effects", False))
        await _until(lambda: known.stale("effects"))
        at = known.complete_until("effects")
        assert at is not None
        assert at < left


async def test_hazard_a_topic_was_made_anew_then_the_view_is_not_fresh(log: Log) -> None:
    async with following(log, effects(log.counted)), _known(log) as known:
        await _fresh_since(known, datetime.now(UTC))
    # The view has been where this topic never was.
    await log.pool.execute("update projection_position set next_offset = 100")
    async with following(log, effects(log.counted)) as projector, _known(log) as known:
        await _until(lambda: projector.stopped().get("effects", False))
        await _until(lambda: known.stale("effects"))


async def test_given_events_that_were_not_published_then_a_view_of_the_own_log_lacks_them(log: Log) -> None:
    async with following(log, effects(log.counted)), _known(log, keeps_log=True) as known:
        await _fresh_since(known, datetime.now(UTC))
        await log.append(SUBJECT, 1)
        appended = datetime.fromtimestamp(appended_at(await log.pool.fetchval("select id from event")), UTC)
        await _until(lambda: known.complete_until("effects") == appended)
        await _until(lambda: known.stale("effects"))
        assert known.complete_until("effects") == appended
        relay = Relay(database_url=log.database_url, owner=log.owner, bootstrap_servers=log.servers)
        await relay.start()
        await _fresh_since(known, datetime.now(UTC))
        await relay.stop()
        assert not known.stale("effects")


async def test_given_a_partition_that_nobody_has_followed_yet_then_the_view_is_not_complete(log: Log) -> None:
    async with following(log, effects(log.counted)), _known(log) as known:
        await _fresh_since(known, datetime.now(UTC))
    await log.pool.execute("update projection_position set fresh_at = null where partition = 3")
    async with _known(log) as known:
        await _until(lambda: known.stale("effects"))
        assert known.complete_until("effects") is None


async def test_given_times_written_all_along_when_batches_are_applied_then_each_event_has_one_effect(
    log: Log,
) -> None:
    view, projection, over = view_of(effects(log.counted)), effects(log.counted), asyncio.Event()

    async def write() -> None:
        while not over.is_set():
            end = End(1_000, datetime.now(UTC))
            ends = {(log.topic, partition): end for partition in range(log.partitions)}
            await note(log.pool, view, ends, ends)
            await asyncio.sleep(0.002)

    async def count(statement: str, wanted: int) -> None:
        deadline = time.monotonic() + 60
        while await log.pool.fetchval(statement) < wanted:
            assert time.monotonic() < deadline, "not in time"
            await asyncio.sleep(0.02)

    events = [log.stored(n, uuid.UUID(int=n % 9), n) for n in range(1, 301)]
    async with following(log, projection):
        await count("select count(*) from projection_position", log.partitions)
        writers = [asyncio.create_task(write()) for _ in range(3)]
        for start in range(0, 300, 20):
            await log.publish(events[start : start + 20])
        await count("select count(*) from effect", 300)
        over.set()
        await asyncio.gather(*writers)
    rows = [row["position"] for row in await log.pool.fetch("select position from effect")]
    assert sorted(rows) == list(range(1, 301))
