"""Is one record's fault kept from every other key, whatever it is, and never taken for another's?"""

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from portal_eventstore import consume
from portal_eventstore.consume import ViewConsumption
from portal_eventstore.kafka import Incoming
from portal_eventstore.keys.key_ring import keys_view
from portal_eventstore.parking.parked import ParkedError, give_up
from portal_eventstore.parking.sift import BREAKER_KEYS
from portal_eventstore.testing.kafka_log import effects
from portal_eventstore.testing.poison import (
    PERSON,
    Poisoned,
    poisoned,
    spoil_header,
    spoil_json,
    spoil_version,
)
from portal_eventstore.view import Received, view_of

pytestmark = pytest.mark.connected


@pytest.fixture
async def topic(log_url: str) -> AsyncIterator[Poisoned]:
    async with poisoned(log_url) as topic:
        yield topic


def _subjects(count: int) -> list[uuid.UUID]:
    return [uuid.UUID(int=number + 1) for number in range(count)]


def _fill(topic: Poisoned, subjects: Sequence[uuid.UUID], each: int) -> None:
    for number in range(each):
        for subject in subjects:
            topic.add(subject, number)


async def test_given_each_kind_of_poison_then_it_is_parked_with_its_reason_and_other_keys_go_on(
    topic: Poisoned, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    header, version, json, handler, sound = _subjects(5)
    _fill(topic, _subjects(5), 1)
    topic.add(header, 1, spoil_header)
    topic.add(version, 1, spoil_version)
    topic.add(json, 1, spoil_json)
    topic.add(handler, 1)
    topic.refused.add(topic.position)
    _fill(topic, _subjects(5), 2)

    consumption = await topic.consume()

    assert consumption.problems() == []
    rows = await topic.parked()
    culprits = {uuid.UUID(row["key"].decode()): row for row in rows if row["behind"] is None}
    assert "ce_time is not an RFC 3339 instant" in culprits[header]["reason"]
    assert "Counted.v9 is newer than v1" in culprits[version]["reason"]
    assert "json_invalid" in culprits[json]["reason"]
    assert culprits[handler]["reason"].startswith("ValueError at refuse (testing/poison.py:")
    assert {row["deliveries"] for row in culprits.values()} == {1}
    # Two later ones of each of these keys wait, behind their own culprit.
    for key, culprit in culprits.items():
        behind = [row for row in rows if row["behind"] == culprit["number"]]
        assert [row["key"].decode() for row in behind] == [str(key)] * 2
    assert len(rows) == 12
    assert await topic.counters() == 12
    applied = await topic.pool.fetch("select subject from effect group by subject having count(*) = 3")
    assert [row["subject"] for row in applied] == [sound]
    assert [place[1] for place in await topic.places()] == [len(lane) for lane in topic.records.values()]
    told = str([(row["reason"], row["stack"], row["type"]) for row in rows]) + caplog.text
    assert "Anna" not in told
    assert "Nowak" not in told


async def test_given_a_parked_record_then_it_can_be_built_again_exactly(topic: Poisoned) -> None:
    [subject] = _subjects(1)
    record = topic.add(subject, 0, spoil_json)
    record = record._replace(headers=(*record.headers, ("wild\x00name", b"\x00\xff"), ("wild\x00name", b"")))
    topic.records[record.partition] = [record]
    bare = Incoming(record.topic, record.partition, 1, None, None, ())
    topic.records[record.partition].append(bare)

    await topic.consume()

    rows = await topic.parked()
    kept = [
        Incoming(
            *(row["topic"], row["partition"], row["record_offset"], row["key"], row["value"]),
            tuple(zip(map(bytes.decode, row["header_names"]), row["header_values"], strict=True)),
        )
        for row in rows
    ]
    assert kept == [record, bare]


async def test_given_a_key_waits_when_another_worker_reads_on_then_its_later_events_wait_too(
    topic: Poisoned,
) -> None:
    one, other = _subjects(2)
    _fill(topic, [one, other], 1)
    topic.refused.add(1)
    await topic.consume()
    _fill(topic, [one, other], 2)
    # One record at a time, each a batch, by a worker that has seen nothing fail.
    await topic.consume(most=1)

    rows = await topic.parked()
    assert [row["position"] for row in rows] == [1, 3, 5]
    assert [row["behind"] for row in rows] == [None, rows[0]["number"], rows[0]["number"]]
    assert await topic.applied() == [2, 4, 6]
    assert await topic.counters() == 3


async def test_given_parked_events_are_published_twice_then_each_is_parked_once(topic: Poisoned) -> None:
    one, other, third = _subjects(3)
    first = [topic.add(one, 0), topic.add(other, 0, spoil_header), topic.add(third, 0, spoil_version)]
    topic.refused.add(1)
    for record in first:
        topic.put(record)  # in the same batch
    await topic.consume()
    for record in first:
        topic.put(record)  # later
    await topic.consume()
    assert sorted(row["key"].decode() for row in await topic.parked()) == [
        str(s) for s in (one, other, third)
    ]
    assert await topic.counters() == 3


async def test_given_a_lie_about_its_position_then_a_damaged_record_hides_nothing_that_follows(
    topic: Poisoned,
) -> None:
    subject = _subjects(1)[0]
    others = [s for s in _subjects(30) if topic.add(s, 0).partition == topic.add(subject, 0).partition]
    topic.records = {n: [] for n in range(4)}
    topic.position = 0

    def lie(record: Incoming) -> Incoming:
        spoilt = spoil_header(record)
        far = tuple((n, b"999999999" if n == "ce_sequence" else v) for n, v in spoilt.headers)
        return spoilt._replace(headers=far)

    topic.add(subject, 0, lie)
    _fill(topic, others[1:3], 2)
    await topic.consume()
    assert len(await topic.applied()) == 4


async def test_given_random_poison_and_batches_then_every_event_is_applied_or_waits_in_order(
    topic: Poisoned,
) -> None:
    chance = random.Random(5)
    subjects = _subjects(40)
    for number in range(600):
        topic.add(chance.choice(subjects), number)
        if chance.random() < 0.03:
            topic.refused.add(topic.position)
    consumption = ViewConsumption(topic.pool, topic.view)
    await topic.feed(consumption, most=chance.randrange(5, 60))

    applied, rows = await topic.applied(), await topic.parked()
    assert sorted([*applied, *(row["position"] for row in rows)]) == list(range(1, 601))
    first_refused: dict[bytes | None, int] = {}
    for lane in topic.records.values():
        for record in lane:
            position = int(dict(record.headers)["ce_sequence"])
            if position in topic.refused:
                first_refused.setdefault(record.key, position)
    for lane in topic.records.values():
        for record in lane:
            position = int(dict(record.headers)["ce_sequence"])
            assert (position in applied) == (position < first_refused.get(record.key, 10_000))
    assert await topic.counters() == len(rows)


async def test_given_not_one_event_of_many_keys_can_be_applied_then_the_view_stops_and_nothing_is_parked(
    topic: Poisoned,
) -> None:
    _fill(topic, _subjects(BREAKER_KEYS), 2)
    topic.refused |= set(range(1, topic.position + 1))
    consumption = ViewConsumption(topic.pool, topic.view)
    await topic.feed(consumption, rounds=2)
    [problem] = consumption.problems()
    assert f"stopped: not one event of {BREAKER_KEYS} keys can be applied (ValueError at refuse" in problem
    assert PERSON not in problem
    assert await topic.parked() == []
    assert await topic.applied() == []

    # The view is mended: everything is applied, and the problem is gone.
    topic.refused.clear()
    await topic.feed(consumption)
    assert consumption.problems() == []
    assert len(await topic.applied()) == 2 * BREAKER_KEYS


async def test_given_nothing_can_be_applied_in_small_batches_then_the_view_stops_all_the_same(
    topic: Poisoned,
) -> None:
    _fill(topic, _subjects(2 * BREAKER_KEYS), 1)
    topic.refused |= set(range(1, topic.position + 1))
    consumption = ViewConsumption(topic.pool, topic.view)
    await topic.feed(consumption, most=1, rounds=7)
    assert "stopped" in str(consumption.problems())
    assert len(await topic.parked()) < BREAKER_KEYS


async def test_given_one_event_of_a_batch_can_be_applied_then_all_others_are_parked(topic: Poisoned) -> None:
    _fill(topic, _subjects(BREAKER_KEYS + 1), 1)
    topic.refused |= set(range(2, topic.position + 1))
    consumption = await topic.consume()
    assert consumption.problems() == []
    assert await topic.applied() == [1]
    assert len(await topic.parked()) == BREAKER_KEYS


async def test_given_a_handler_that_writes_before_it_refuses_then_nothing_of_that_stays(
    topic: Poisoned,
) -> None:
    _fill(topic, _subjects(8), 2)
    topic.refused |= {5, 11}

    async def apply(connection: Any, received: Sequence[Received]) -> None:
        await effects(topic.log.counted).apply(connection, received)
        for one in received:
            topic.refuse(one)

    await topic.consume(replace(topic.view, apply=apply))
    assert sorted(await topic.applied()) == [1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 14, 15, 16]


async def test_given_several_keys_touch_a_row_then_the_view_stops_and_nothing_is_parked(
    topic: Poisoned,
) -> None:
    _fill(topic, _subjects(5), 2)
    topic.refused.add(7)
    consumption = ViewConsumption(topic.pool, view_of(replace(topic.projection, shared_rows=True)))
    await topic.feed(consumption, rounds=2)
    assert "stopped: a record cannot be applied, and it keeps none aside (ValueError" in str(
        consumption.problems()
    )
    assert await topic.parked() == []
    assert await topic.applied() == []


async def test_given_a_view_stopped_at_what_nobody_can_read_when_it_is_given_up_then_the_view_goes_on(
    topic: Poisoned,
) -> None:
    view = view_of(replace(topic.projection, shared_rows=True))
    [subject] = _subjects(1)
    name, partition, offset, *_ = topic.add(subject, 0, spoil_json)
    topic.add(subject, 1)
    consumption = ViewConsumption(topic.pool, view)
    await topic.feed(consumption, rounds=2)
    assert "malformed record" in str(consumption.problems())
    with pytest.raises(ParkedError, match="puts aside"):
        await give_up(topic.pool, view_of(topic.projection), name, partition, offset, "garbage")
    await give_up(topic.pool, view, name, partition, offset, "garbage")
    with pytest.raises(ParkedError, match="given up already"):
        await give_up(topic.pool, view, name, partition, offset, "garbage")
    await topic.feed(consumption, rounds=3)
    assert consumption.problems() == []
    assert await topic.applied() == [2]
    with pytest.raises(ParkedError, match="has not stopped before"):
        await give_up(topic.pool, view, name, partition, offset, "garbage")


async def test_given_a_key_record_cannot_be_read_then_its_view_stops_and_no_copy_is_kept(
    topic: Poisoned,
) -> None:
    view = keys_view(topic.log.topic)
    await topic.pool.execute(view.table)
    topic.put(Incoming(topic.log.topic, 0, 0, b"no id", b"a wrapped key", ()))
    consumption = ViewConsumption(topic.pool, view)
    await topic.feed(consumption, rounds=2)
    assert f"{topic.log.topic}/0 offset 0" in str(consumption.problems())
    assert await topic.parked() == []
    assert (await topic.places())[0] == (0, 0, 0)


@pytest.mark.parametrize(
    "fault",
    [
        asyncpg.DiskFullError("no space"),
        asyncpg.LockNotAvailableError("lock timeout"),
        asyncpg.QueryCanceledError("statement timeout"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.SerializationError("serialization"),
        asyncpg.AdminShutdownError("shutting down"),
        asyncpg.ReadOnlySQLTransactionError("standby"),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.InterfaceError("connection is closed"),
        ConnectionResetError("reset"),
        TimeoutError("command"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_given_a_fault_of_the_moment_then_the_batch_is_tried_again_and_nothing_is_parked(
    topic: Poisoned, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consume, "_SHORTEST_PAUSE", 0.01)
    # One event alone, several times: whoever blames it has nothing else to part it from.
    _fill(topic, _subjects(1), 1)
    faults = [fault] * 3

    def fail(_: Received) -> None:
        if faults:
            raise faults.pop()

    async def apply(connection: Any, received: Sequence[Received]) -> None:
        fail(received[0])
        await topic.projection.apply(connection, received)

    consumption = await topic.consume(replace(topic.view, apply=apply))
    assert faults == []
    assert consumption.problems() == []
    assert await topic.parked() == []
    assert await topic.applied() == [1]


async def test_given_the_connection_is_cut_in_the_middle_then_nothing_is_half_done(topic: Poisoned) -> None:
    _fill(topic, _subjects(6), 3)
    topic.refused.add(8)
    cuts = 3

    async def apply(connection: Any, received: Sequence[Received]) -> None:
        nonlocal cuts
        await topic.projection.apply(connection, received)
        if cuts and len(received) < 9:
            cuts -= 1
            await topic.pool.execute("select pg_terminate_backend($1)", connection.get_server_pid())
            await asyncio.sleep(0.05)
            raise ValueError(PERSON)

    await topic.consume(replace(topic.view, apply=apply))
    assert cuts == 0
    assert [row["position"] for row in await topic.parked()] == [8, 14]
    assert sorted(await topic.applied()) == [n for n in range(1, 19) if n not in (8, 14)]


async def test_given_the_tables_are_not_the_views_then_it_stops_and_nothing_is_parked(
    topic: Poisoned,
) -> None:
    _fill(topic, _subjects(3), 1)
    await topic.pool.execute("alter table effect rename column number to nombre")
    consumption = ViewConsumption(topic.pool, topic.view)
    await topic.feed(consumption, rounds=2)
    assert "stopped: its tables are not what its statements ask for (UndefinedColumnError" in str(
        consumption.problems()
    )
    assert await topic.parked() == []
    await topic.pool.execute("alter table effect rename column nombre to number")
    await topic.feed(consumption)
    assert consumption.problems() == []
    assert sorted(await topic.applied()) == [1, 2, 3]


async def test_given_two_workers_hold_the_same_records_then_each_is_parked_or_applied_once(
    topic: Poisoned,
) -> None:
    _fill(topic, _subjects(10), 10)
    topic.refused |= {15, 33, 58}
    workers = [ViewConsumption(topic.pool, topic.view) for _ in range(3)]
    await asyncio.gather(*(topic.feed(worker, most=7) for worker in workers))
    applied, rows = await topic.applied(), await topic.parked()
    assert sorted([*applied, *(row["position"] for row in rows)]) == list(range(1, 101))
    assert await topic.counters() == len(rows)


async def test_given_the_database_refuses_a_row_then_the_constraint_is_told_and_not_the_row(
    topic: Poisoned,
) -> None:
    await topic.pool.execute("alter table effect add constraint small check (number < 100)")
    one, other = _subjects(2)
    topic.add(one, 7777)
    topic.add(other, 1)
    await topic.consume()
    [row] = await topic.parked()
    assert "CheckViolationError on small at" in row["reason"]
    assert "7777" not in row["reason"] + row["stack"]


async def test_given_a_views_place_was_taken_away_then_what_waits_goes_on_waiting(topic: Poisoned) -> None:
    one, other = _subjects(2)
    _fill(topic, [one, other], 2)
    topic.refused.add(1)
    await topic.consume()
    before = [row["number"] for row in await topic.parked()]
    # A view that somebody makes anew by hand.
    await topic.pool.execute("delete from projection_position")
    await topic.pool.execute("delete from effect")
    await topic.consume()
    assert [row["number"] for row in await topic.parked()] == before
    assert await topic.counters() == 2
    assert await topic.applied() == [2, 4]


async def test_given_the_tables_are_of_another_edition_then_the_view_says_so(topic: Poisoned) -> None:
    _fill(topic, _subjects(2), 1)
    consumption = ViewConsumption(topic.pool, topic.view)
    await consumption.begin([(topic.log.topic, n) for n in range(4)])
    await topic.pool.execute("update projection_position set edition = 'another'")
    partition = next(n for n, lane in topic.records.items() if lane)
    again = await consumption.handle({(topic.log.topic, partition): topic.records[partition]})
    assert again == {(topic.log.topic, partition): 0}
    assert "of another edition" in str(consumption.problems())
    assert await topic.applied() == []


async def test_given_all_is_well_then_parking_costs_no_statement(topic: Poisoned) -> None:
    [subject] = _subjects(1)
    first, second = topic.add(subject, 0), topic.add(subject, 1)
    tp = first.topic, first.partition
    queries: list[str] = []

    async def watch(connection: Any) -> None:
        connection.add_query_logger(lambda record: queries.append(record.query))

    async with asyncpg.create_pool(topic.log.database_url, min_size=1, max_size=1, init=watch) as pool:
        consumption = ViewConsumption(pool, topic.view)
        await consumption.begin([tp])
        # The driver asks for types once.
        await consumption.handle({tp: [first]})
        queries.clear()
        await consumption.handle({tp: [second]})
    # The last one is the pool's own reset; the view's COPY is none of these.
    assert [query.split()[0] for query in queries[:-1]] == ["BEGIN", "with", "COMMIT;"]
