"""Does what was parked get into its view once and in order, whoever replays, and is it never lost?"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from portal_eventstore.consume import ViewConsumption
from portal_eventstore.parking.parked import (
    Drained,
    ParkedError,
    discard,
    drain,
    parked_counts,
    parked_record,
    waiting_lanes,
)
from portal_eventstore.testing.poison import PERSON, Poisoned, poisoned, spoil_header, spoil_json

pytestmark = pytest.mark.connected

ONE, OTHER, THIRD = (UUID(int=number) for number in (1, 2, 3))


@pytest.fixture
async def topic(log_url: str) -> AsyncIterator[Poisoned]:
    async with poisoned(log_url) as topic:
        yield topic


async def _drain_all(topic: Poisoned, view: Any) -> list[Drained]:
    lanes = await waiting_lanes(topic.pool, ["effects"])
    return [await drain(topic.pool, view, lane.number) for lane in lanes]


async def _parked_lane(topic: Poisoned, count: int) -> int:
    """Park the first event of a key, and as many behind it; return its number."""
    topic.add(ONE, 0)
    topic.refused.add(topic.position)
    for later in range(1, count + 1):
        topic.add(ONE, later)
    await topic.consume()
    number: int = (await topic.parked())[0]["number"]
    return number


async def test_given_the_code_was_mended_when_replayed_then_each_is_applied_once_and_in_order(
    topic: Poisoned,
) -> None:
    for number in range(6):
        for subject, spoil in ((ONE, spoil_json), (OTHER, spoil_header), (THIRD, None)):
            topic.add(subject, number, spoil if number == 2 else None)
    await topic.consume()
    places = await topic.places()
    assert len(await topic.applied()) == 10
    assert await parked_counts(topic.pool) == {"effects": 8}

    assert [drained.applied for drained in await _drain_all(topic, topic.mended)] == [4, 4]

    rows = await topic.pool.fetch("select subject, number from effect order by happened")
    for subject in (ONE, OTHER, THIRD):
        assert [row["number"] for row in rows if row["subject"] == subject] == list(range(6))
    assert await topic.places() == places
    assert await topic.counters() == 0
    assert await parked_counts(topic.pool) == {}
    assert {row["status"] for row in await topic.parked()} == {"replayed"}
    # The key goes on by itself.
    topic.add(ONE, 6)
    await topic.consume(topic.mended)
    assert len(await topic.applied()) == 19


async def test_given_a_later_one_fails_again_when_replayed_then_the_key_is_drained_up_to_it(
    topic: Poisoned,
) -> None:
    number = await _parked_lane(topic, 5)
    topic.refused = {4}
    drained = await drain(topic.pool, topic.view, number)
    assert (drained.applied, drained.left) == (3, 3)
    assert await topic.applied() == [1, 2, 3]
    failed = await parked_record(topic.pool, drained.failed or 0)
    assert (failed.position, failed.behind, failed.deliveries) == (4, None, 1)
    assert failed.reason.startswith("ValueError at refuse")
    assert PERSON not in failed.reason + failed.stack
    assert [row["behind"] for row in await topic.parked()][4:] == [failed.number] * 2
    assert await topic.counters() == 3
    topic.refused = set()
    assert (await drain(topic.pool, topic.view, failed.number)).applied == 3
    assert await topic.applied() == [1, 2, 3, 4, 5, 6]


async def test_given_two_replays_and_the_worker_at_once_then_each_is_applied_once_and_in_order(
    topic: Poisoned,
) -> None:
    number = await _parked_lane(topic, 40)
    topic.refused.clear()
    for later in range(41, 81):
        topic.add(ONE, later)
    worker = ViewConsumption(topic.pool, topic.view)

    async def replay() -> None:
        with contextlib.suppress(ParkedError):  # another one was first
            await drain(topic.pool, topic.view, number)

    await asyncio.gather(topic.feed(worker, most=1), replay(), replay(), replay())
    await _drain_all(topic, topic.view)
    rows = await topic.pool.fetch("select number from effect order by happened")
    assert [row["number"] for row in rows] == list(range(81))
    assert await topic.counters() == 0


async def test_given_a_replay_is_in_the_middle_then_the_keys_next_event_does_not_overtake_it(
    topic: Poisoned,
) -> None:
    number = await _parked_lane(topic, 1)
    topic.refused.clear()
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def apply(connection: Any, received: Sequence[Any]) -> None:
        inside.set()
        await go_on.wait()
        await topic.projection.apply(connection, received)

    replaying = asyncio.create_task(drain(topic.pool, replace(topic.view, apply=apply), number))
    await inside.wait()
    topic.add(ONE, 2)
    live = asyncio.create_task(topic.consume())
    waits = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    try:
        while not await topic.pool.fetch(waits):
            assert not live.done(), "the worker went past the replay"
            await asyncio.sleep(0.01)
    finally:
        go_on.set()
        await asyncio.gather(replaying, live)
    assert await topic.applied() == [1, 2, 3]


async def test_given_the_database_fails_in_a_replay_then_nothing_of_the_key_has_changed(
    topic: Poisoned,
) -> None:
    number = await _parked_lane(topic, 3)
    topic.refused.clear()

    async def apply(connection: Any, received: Sequence[Any]) -> None:
        await topic.projection.apply(connection, received)
        raise asyncpg.DiskFullError("no space")

    with pytest.raises(asyncpg.DiskFullError):
        await drain(topic.pool, replace(topic.view, apply=apply), number)
    assert await topic.applied() == []
    assert await topic.counters() == 4
    assert (await drain(topic.pool, topic.view, number)).applied == 4


async def test_given_the_database_fails_after_the_replay_then_it_can_be_replayed_again(
    topic: Poisoned,
) -> None:
    number = await _parked_lane(topic, 1)
    topic.refused.clear()
    # The last statement of the transaction fails.
    await topic.pool.execute(
        "alter table projection_position add constraint stuck check (parked > 0 or next_offset = 0)"
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await drain(topic.pool, topic.view, number)
    await topic.pool.execute("alter table projection_position drop constraint stuck")
    assert await topic.applied() == []
    assert (await drain(topic.pool, topic.view, number)).applied == 2
    assert await topic.applied() == [1, 2]


async def test_given_a_record_is_discarded_then_only_that_one_is_left_out_and_the_reason_is_kept(
    topic: Poisoned,
) -> None:
    number = await _parked_lane(topic, 2)
    await discard(topic.pool, number, "a test's own event")
    record = await parked_record(topic.pool, number)
    assert (record.status, record.discard_reason) == ("discarded", "a test's own event")
    assert await topic.counters() == 2
    # What waited behind it waits on, and so does what comes.
    topic.add(ONE, 3)
    await topic.consume()
    assert await topic.applied() == []
    assert await topic.counters() == 3
    [lane] = await waiting_lanes(topic.pool, ["effects"])
    assert (await drain(topic.pool, topic.view, lane.number)).applied == 3
    assert await topic.applied() == [2, 3, 4]
    topic.add(ONE, 4)
    await topic.consume()
    assert await topic.applied() == [2, 3, 4, 5]


async def test_given_a_discarded_record_is_read_again_then_it_is_neither_applied_nor_parked(
    topic: Poisoned,
) -> None:
    number = await _parked_lane(topic, 0)
    await discard(topic.pool, number, "wrong")
    await topic.pool.execute("delete from projection_position")
    topic.add(ONE, 1)
    await topic.consume()
    assert await topic.applied() == [2]
    assert [row["status"] for row in await topic.parked()] == ["discarded"]


async def test_given_a_record_was_settled_when_asked_again_then_it_is_refused_with_a_sentence(
    topic: Poisoned,
) -> None:
    number = await _parked_lane(topic, 0)
    topic.refused.clear()
    await drain(topic.pool, topic.view, number)
    with pytest.raises(ParkedError, match=f"record {number} was replayed already, at 20"):
        await drain(topic.pool, topic.view, number)
    with pytest.raises(ParkedError, match="was replayed already"):
        await discard(topic.pool, number, "late")
    with pytest.raises(ParkedError, match="no parked record has the number 4711"):
        await parked_record(topic.pool, 4711)
    assert await topic.counters() == 0


async def test_given_tables_of_another_edition_then_nothing_is_replayed_into_them(topic: Poisoned) -> None:
    number = await _parked_lane(topic, 0)
    topic.refused.clear()
    with pytest.raises(ParkedError, match="of another edition"):
        await drain(topic.pool, replace(topic.view, version=2), number)
    assert await topic.applied() == []


async def test_given_records_without_a_key_then_each_waits_for_itself(topic: Poisoned) -> None:
    record = topic.add(ONE, 0)
    sound = record._replace(key=None)
    topic.records[record.partition].clear()
    topic.put(sound)
    topic.put(sound)
    await topic.consume()
    lanes = await waiting_lanes(topic.pool, ["effects"])
    assert [lane.behind_it for lane in lanes] == [0]
    assert "ce_subject must be the record's key" in lanes[0].reason
    drained = await drain(topic.pool, topic.view, lanes[0].number)
    assert (drained.applied, drained.left) == (0, 1)
    assert (await parked_record(topic.pool, lanes[0].number)).deliveries == 2
