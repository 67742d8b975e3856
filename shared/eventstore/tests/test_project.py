"""Does a view apply every event once and in order, whatever Kafka and its workers do?"""

import asyncio
import random
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from portal_events.stored import StoredEvent
from portal_events.topics import partition_for
from portal_eventstore.kafka import Outgoing, Publisher
from portal_eventstore.project import Projector, reached
from portal_eventstore.testing.kafka_log import Log, effects, following, opened_log, topics

pytestmark = pytest.mark.connected


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=4) as log:
        yield log


def _events(log: Log, count: int, first: int = 1) -> list[StoredEvent]:
    """Return events of 20 subjects, numbered one after another within each."""
    subjects = [uuid.UUID(int=number) for number in range(20)]
    return [
        log.stored(position, subjects[position % 20], position // 20)
        for position in range(first, first + count)
    ]


async def _until(condition: Any, within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


async def _seen(log: Log, records: int, within: float = 15.0) -> None:
    async def all_seen() -> bool:
        seen = await log.pool.fetchval("select coalesce(sum(next_offset), 0) from projection_position")
        return int(seen) >= records

    await _until(all_seen, within)


async def _assert_each_once_in_order(log: Log, events: Sequence[StoredEvent]) -> None:
    rows = await log.pool.fetch("select position, subject, number from effect order by happened")
    applied = [row["position"] for row in rows]
    assert sorted(set(applied)) == sorted(event.position for event in events), "lost"
    assert len(applied) == len(set(applied)), "applied twice"
    numbers: dict[uuid.UUID, list[int]] = {}
    for row in rows:
        numbers.setdefault(row["subject"], []).append(row["number"])
    assert all(of_one == sorted(of_one) for of_one in numbers.values()), "out of order"


async def test_given_the_offsets_were_rewound_and_batches_published_twice_then_each_event_has_one_effect(
    log: Log,
) -> None:
    events = _events(log, 400)
    async with following(log, effects(log.counted)):
        # A relay that lost its place sends the same again, also in the middle of what is new.
        await log.publish(events[:200])
        await log.publish(events[:300])
        await log.publish(events[:100] + events)
        await _seen(log, 1_000)
    await _assert_each_once_in_order(log, events)

    # Worse: the view's own offsets fall back.
    await log.pool.execute("update projection_position set next_offset = 0")
    async with following(log, effects(log.counted)):
        await _seen(log, 1_000)
    await _assert_each_once_in_order(log, events)


async def test_given_crashes_before_the_rows_and_between_rows_and_commit_then_nothing_is_lost_or_doubled(
    log: Log,
) -> None:
    events = _events(log, 300)
    chance = random.Random(7)
    crashes = 0

    def crash() -> None:
        nonlocal crashes
        if chance.random() < 0.4 and crashes < 6:
            crashes += 1
            raise ConnectionResetError("planted")

    async with following(log, effects(log.counted, before=crash, after=crash)):
        for start in range(0, 300, 50):
            await log.publish(events[start : start + 50])
            await asyncio.sleep(0.1)
        await _seen(log, 300)
    assert crashes > 0
    await _assert_each_once_in_order(log, events)


async def test_given_workers_come_go_and_are_killed_in_the_middle_then_each_event_has_one_effect(
    log: Log,
) -> None:
    events = _events(log, 4_000)
    command = [sys.executable, str(Path(__file__).with_name("projection_process.py"))]
    command += [log.database_url, log.owner, log.servers]
    worker = subprocess.Popen(command)
    try:
        await log.publish(events[:1_000])
        await _seen(log, 1)
        async with following(log, effects(log.counted)):
            await log.publish(events[1_000:2_000])
            await asyncio.sleep(0.3)
            await log.publish(events[2_000:3_000])
            worker.kill()
            async with following(log, effects(log.counted)):
                await log.publish(events[2_900:])
                await asyncio.sleep(0.5)
            await _seen(log, 4_100, within=25)
    finally:
        worker.kill()
        worker.wait()
    await _assert_each_once_in_order(log, events)


async def test_given_two_workers_hold_the_same_records_then_the_later_one_changes_nothing(log: Log) -> None:
    events = _events(log, 100)
    await log.publish(events)
    one = Projector(
        service=f"{log.owner}-one",
        pool=log.pool,
        bootstrap_servers=log.servers,
        projections=[effects(log.counted)],
    )
    other = Projector(
        service=f"{log.owner}-other",
        pool=log.pool,
        bootstrap_servers=log.servers,
        projections=[effects(log.counted)],
    )
    # Two groups over the same view: each believes that every partition is its own.
    await asyncio.gather(one.start(), other.start())
    await log.publish(_events(log, 100, first=101))
    await _seen(log, 200)
    await asyncio.sleep(0.3)
    await asyncio.gather(one.stop(), other.stop())
    await _assert_each_once_in_order(log, _events(log, 200))


async def test_given_shared_rows_and_applying_fails_then_the_view_says_so_and_goes_on_once_it_works(
    log: Log,
) -> None:
    events = _events(log, 50)
    broken = True

    def fail() -> None:
        if broken:
            raise ValueError("Anna Nowak")

    shared = replace(effects(log.counted, before=fail), shared_rows=True)
    async with following(log, shared) as projector:
        await log.publish(events)

        async def told() -> bool:
            return any("view effects: stopped" in problem for problem in projector.problems())

        await _until(told)
        assert "ValueError" in projector.problems()[0]
        assert "Anna" not in str(projector.problems())
        assert await log.pool.fetchval("select count(*) from effect") == 0
        broken = False
        await _seen(log, 50)
        assert projector.problems() == []
    await _assert_each_once_in_order(log, events)


async def test_given_shared_rows_and_a_malformed_record_then_the_view_stops_before_it_and_says_where(
    log: Log,
) -> None:
    events = _events(log, 1)
    subject = events[0].metadata.subject
    partition = partition_for(str(subject).encode(), log.partitions)
    publisher = await Publisher.connect(log.servers)
    shared = replace(effects(log.counted), shared_rows=True)
    async with following(log, shared) as projector:
        await log.publish(events)
        # Not UTF-8 either: FastStream's own parser would let the batch fall.
        bad = Outgoing(str(subject).encode(), b"Anna", [("ce_type", b"\xff")])
        await publisher.publish(log.topic, partition, [bad])
        await publisher.close()
        await log.publish([log.stored(2, subject, 1)])

        async def told() -> bool:
            return f"{log.topic}/{partition} offset 1" in str(projector.problems())

        await _until(told)
        await asyncio.sleep(0.5)
        assert "Anna" not in str(projector.problems())
        assert await log.pool.fetchval("select max(next_offset) from projection_position") == 1
    await _assert_each_once_in_order(log, events)


async def test_given_a_type_that_the_view_does_not_handle_then_only_its_position_moves(log: Log) -> None:
    [event] = _events(log, 1)
    future = StoredEvent(log.owner, 1, event.id, "NotYetInvented", 9, (), "{}", event.time, event.metadata)
    partition = partition_for(str(event.metadata.subject).encode(), log.partitions)
    async with following(log, effects(log.counted)) as projector:
        await log.publish([future])
        assert await reached(log.pool, "effects", {(log.topic, partition): 1}, within=10)
        assert projector.problems() == []
    assert await log.pool.fetchval("select count(*) from effect") == 0


async def test_given_kafka_no_longer_holds_the_next_record_then_the_view_stops(log: Log, kafka: str) -> None:
    events = [log.stored(position, uuid.UUID(int=1), position) for position in range(1, 31)]
    partition = partition_for(str(uuid.UUID(int=1)).encode(), log.partitions)
    async with following(log, effects(log.counted)):
        await log.publish(events[:10])
        await _seen(log, 10)
    await log.publish(events[10:])
    async with topics(kafka, {}) as admin:
        await admin.delete_records({TopicPartition(log.topic, partition): RecordsToDelete(20)})
    async with following(log, effects(log.counted)) as projector:

        async def told() -> bool:
            return f"{log.topic}/{partition} goes on at offset 10, but Kafka holds 20 to 30" in str(
                projector.problems()
            )

        await _until(told)
    assert await log.pool.fetchval("select count(*) from effect") == 10


async def test_given_a_client_lost_a_batch_then_the_view_reads_it_again(log: Log) -> None:
    events = [log.stored(position, uuid.UUID(int=1), position) for position in range(1, 11)]
    async with following(log, effects(log.counted)):
        await log.publish(events)
        await _seen(log, 10)
        # As if the first five had gone by unseen.
        await log.pool.execute("update projection_position set next_offset = 5 where next_offset = 10")
        await log.pool.execute("update projection_position set last_position = 5 where last_position = 10")
        await log.pool.execute("delete from effect where position > 5")
        more = [log.stored(11, uuid.UUID(int=1), 11)]
        await log.publish(more)
        await _seen(log, 11)
    await _assert_each_once_in_order(log, [*events, *more])


async def test_given_a_reader_wants_its_own_write_then_it_waits_for_the_topics_that_the_view_reads(
    log: Log,
) -> None:
    events = [log.stored(position, uuid.UUID(int=1), position) for position in (3, 7)]
    partition = partition_for(str(uuid.UUID(int=1)).encode(), log.partitions)
    wanted = {(log.topic, partition): 7, ("another.events", 0): 99}
    assert not await reached(log.pool, "effects", wanted, within=0.1)
    async with following(log, effects(log.counted)):
        await log.publish(events[:1])
        assert await reached(log.pool, "effects", {(log.topic, partition): 3}, within=10)
        assert not await reached(log.pool, "effects", wanted, within=0.1)
        later = asyncio.create_task(reached(log.pool, "effects", wanted, within=5))
        await log.publish(events[1:])
        assert await later
    assert await reached(log.pool, "effects", {}, within=0)


async def test_given_kafka_is_down_then_the_projector_starts_says_so_and_stops(log: Log) -> None:
    projector = Projector(
        service=log.owner,
        pool=log.pool,
        bootstrap_servers="127.0.0.1:1",
        projections=[effects(log.counted)],
    )
    await projector.start()
    assert any("Kafka" in problem for problem in projector.problems())
    await asyncio.wait_for(projector.stop(), 5)


async def test_given_parallel_starts_then_the_tables_are_created_once(log: Log) -> None:
    pools = [await asyncpg.create_pool(log.database_url, min_size=1, max_size=2) for _ in range(4)]
    projectors = [
        Projector(
            service=log.owner,
            pool=pool,
            bootstrap_servers="127.0.0.1:1",
            projections=[effects(log.counted)],
        )
        for pool in pools
    ]
    await asyncio.gather(*(projector.start() for projector in projectors))
    await asyncio.gather(*(projector.stop() for projector in projectors))
    for pool in pools:
        await pool.close()
