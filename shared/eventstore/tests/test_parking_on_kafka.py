"""Do 500 poison events among 5,000 harm their own keys only, while workers come, go and are killed?"""

import asyncio
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from portal_events.cloudevents import to_record
from portal_events.topics import parked_topic, partition_for
from portal_eventstore.kafka import Incoming, Outgoing, Publisher
from portal_eventstore.parking.copies import ParkedCopies
from portal_eventstore.parking.parked import drain, waiting_lanes
from portal_eventstore.testing.kafka_log import Log, effects, following, opened_log, read_topic, topics
from portal_eventstore.testing.poison import (
    PERSON,
    refusing,
    spoil_header,
    spoil_json,
    spoil_version,
)
from portal_eventstore.view import Parsed, Received, View, view_of

pytestmark = pytest.mark.connected

PARTITIONS = 4
KEYS = 500
EACH = 10
POISONED = 250
"""Keys of which the third and the seventh event are poison: 500 of 5,000."""

_SPOIL = (spoil_header, spoil_json, spoil_version, None)
_WHY = ("ce_time is not", "json_invalid", "Counted.v9 is newer than v1", "ValueError at _refuse")
_PLACES = "select partition, next_offset, last_position from projection_position order by partition"


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with (
        opened_log(log_url, kafka, PARTITIONS) as log,
        topics(kafka, {parked_topic(log.topic): PARTITIONS}),
    ):
        yield log


@dataclass(frozen=True)
class Sent:
    """One record as it was sent, and as it would be without its fault."""

    subject: uuid.UUID
    number: int
    sound: Outgoing
    spoilt: Outgoing


def _sent(log: Log) -> list[Sent]:
    """Return the history, all keys' first events first."""
    found = []
    for number in range(EACH):
        for key in range(KEYS):
            subject = uuid.UUID(int=key + 1)
            record = to_record(log.stored(number * KEYS + key + 1, subject, number))
            sound = Outgoing(record.key, record.value, tuple(record.headers))
            spoil = _SPOIL[key % 4] if key < POISONED and number in (2, 6) else None
            spoilt = spoil(Incoming("", 0, 0, *sound)) if spoil else sound
            sent = sound._replace(value=spoilt.value, headers=spoilt.headers)
            found.append(Sent(subject, number, sound, sent))
    return found


def _refuse(received: Received) -> None:
    """Refuse what stands for a fault of the handler: the poison of every fourth key."""
    key = received.event.subject.int - 1
    if key < POISONED and key % 4 == 3 and getattr(received.event, "number", None) in (2, 6):
        raise ValueError(PERSON)


async def _publish(log: Log, records: Iterable[Outgoing]) -> None:
    publisher = await Publisher.connect(log.servers)
    try:
        lanes: dict[int, list[Outgoing]] = defaultdict(list)
        for record in records:
            lanes[partition_for(record.key, PARTITIONS)].append(record)
        for partition, waiting in lanes.items():
            while waiting:
                del waiting[: await publisher.publish(log.topic, partition, waiting)]
    finally:
        await publisher.close()


async def _until(condition: Any, within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.05)


async def _passed(log: Log, records: int) -> None:
    async def passed() -> bool:
        return bool(await log.pool.fetchval("select sum(next_offset) from projection_position") == records)

    await _until(passed)


def _mended(log: Log, sent: list[Sent]) -> View[Received]:
    """Return the repaired view: it reads what the record was meant to be, and refuses nothing."""
    view = view_of(effects(log.counted))
    meant = {one.spoilt: one.sound for one in sent}

    def parse(record: Incoming) -> Parsed[Received]:
        sound = meant[Outgoing(record.key or b"", record.value, tuple(record.headers))]
        return view.parse(record._replace(value=sound.value, headers=sound.headers))

    return replace(view, parse=parse)


async def _numbers(log: Log) -> dict[int, list[int]]:
    rows = await log.pool.fetch("select subject, number from effect order by happened")
    found: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        found[row["subject"].int - 1].append(row["number"])
    return found


async def test_given_500_poison_events_of_5000_then_other_keys_go_on_and_a_replay_applies_each_once(
    log: Log,
) -> None:
    sent = _sent(log)
    async with following(log, refusing(effects(log.counted), _refuse)) as projector:
        # Batches behind each other: the keys wait over many of them, and again after the second poison.
        for start in range(0, len(sent), 1_000):
            await _publish(log, [one.spoilt for one in sent[start : start + 1_000]])
        await _passed(log, KEYS * EACH)
        assert projector.problems() == []
        copies = "select count(*) from parked where not relayed"

        async def copied() -> bool:
            return bool(await log.pool.fetchval(copies) == 0)

        await _until(copied)

    whole, upto = list(range(EACH)), list(range(2))
    assert await _numbers(log) == {key: upto if key < POISONED else whole for key in range(KEYS)}
    rows = await log.pool.fetch("select * from parked")
    assert len(rows) == POISONED * (EACH - 2)
    # The first poison of a key failed; the second one waits behind it, or is known to be unreadable.
    culprits = [row for row in rows if row["behind"] is None]
    assert len(culprits) == POISONED
    for row in culprits:
        assert _WHY[(uuid.UUID(row["key"].decode()).int - 1) % 4] in row["reason"]
    assert not any("Anna" in row["reason"] + row["stack"] for row in rows)
    await _assert_copied(log, rows)

    places = await log.pool.fetch(_PLACES)
    mended = _mended(log, sent)
    lanes = await waiting_lanes(log.pool, ["effects"])
    await asyncio.gather(*(_drain(log, mended, [lane.number for lane in lanes[n::3]]) for n in range(3)))

    assert await _numbers(log) == dict.fromkeys(range(KEYS), whole)
    assert places == await log.pool.fetch(_PLACES)
    assert await log.pool.fetchval("select sum(parked) from projection_position") == 0


async def _drain(log: Log, view: View[Received], numbers: list[int]) -> None:
    for number in numbers:
        assert (await drain(log.pool, view, number)).applied == EACH - 2


async def _assert_copied(log: Log, rows: list[Any]) -> None:
    found = await read_topic(log.servers, parked_topic(log.topic))
    told = [(dict(copy.headers), copy) for copy in found]
    copies = {(int(of["parked_partition"]), int(of["parked_offset"])): copy for of, copy in told}
    assert len(copies) == len(rows)
    for row in rows:
        copy = copies[row["partition"], row["record_offset"]]
        names = [name.decode() for name in row["header_names"]]
        assert (copy.key, copy.value) == (row["key"], row["value"])
        assert list(copy.headers)[: len(names)] == list(zip(names, row["header_values"], strict=True))
        assert dict(copy.headers)["parked_reason"].decode() == row["reason"]
        assert dict(copy.headers)["parked_view"] == b"effects"


async def test_given_workers_are_killed_and_come_while_parking_then_each_is_parked_or_applied_once(
    log: Log,
) -> None:
    sent = _sent(log)
    command = [sys.executable, str(Path(__file__).with_name("poisoned_process.py"))]
    command += [log.database_url, log.owner, log.servers]
    worker = subprocess.Popen(command)
    try:
        await _publish(log, [one.spoilt for one in sent[:2_500]])

        async def some() -> bool:
            return bool(await log.pool.fetchval("select exists (select from parked)"))

        async with following(log, refusing(effects(log.counted), _refuse)):
            await _until(some)
            worker.kill()
            async with following(log, refusing(effects(log.counted), _refuse)):
                # A relay that lost its place sends some again.
                await _publish(log, [one.spoilt for one in sent[2_000:4_000]])
            await _publish(log, [one.spoilt for one in sent[4_000:]])
            await _passed(log, KEYS * EACH + 500)
    finally:
        worker.kill()
        worker.wait()
    upto = {key: list(range(2 if key < POISONED else EACH)) for key in range(KEYS)}
    assert await _numbers(log) == upto
    rows = await log.pool.fetch("select key, position from parked where status = 'waiting'")
    assert len(rows) == POISONED * (EACH - 2)
    assert len({(row["key"], row["position"]) for row in rows}) == len(rows)
    assert await log.pool.fetchval("select sum(parked) from projection_position") == len(rows)


async def test_given_kafka_is_down_for_copies_then_they_wait_and_the_log_says_so(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    async with following(log, refusing(effects(log.counted), _refuse)):
        [poison] = [one for one in _sent(log)[: KEYS * 3] if one.number == 2 and one.subject.int == 1]
        await _publish(log, [poison.spoilt])
        await _passed(log, 1)
    await log.pool.execute("update parked set relayed = false")
    copies = ParkedCopies(service=log.owner, pool=log.pool, bootstrap_servers="127.0.0.1:1")
    await copies.start()

    async def told() -> bool:
        return "no copies on Kafka (PublishError" in caplog.text

    await _until(told)
    await copies.stop()
    assert await log.pool.fetchval("select count(*) from parked where not relayed") == 1
