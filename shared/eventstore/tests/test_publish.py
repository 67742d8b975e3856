"""Does every committed event reach Kafka, in order, whatever dies?"""

import asyncio
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from portal_events.topics import partition_for
from portal_eventstore.kafka import Incoming, Outgoing, Publisher, PublishError
from portal_eventstore.relay.publish import LostOwnershipError, Relay, advance
from portal_eventstore.testing.kafka_log import Log, opened_log, topics

pytestmark = pytest.mark.connected


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka) as log:
        yield log


class FailingPublisher:
    """Refuses batches of one partition while `failing`."""

    failing = True

    def __init__(self, publisher: Publisher, partition: int) -> None:
        self._publisher = publisher
        self._partition = partition

    async def partitions(self, topic: str) -> int:
        return await self._publisher.partitions(topic)

    async def publish(self, topic: str, partition: int, records: Iterable[Outgoing]) -> int:
        # One record a batch, so that there is something behind the refused one.
        first = [next(iter(records))]
        if partition == self._partition and FailingPublisher.failing:
            raise PublishError("refused by the test")
        return await self._publisher.publish(topic, partition, first)

    async def close(self) -> None:
        await self._publisher.close()


def _relay(log: Log, **more: Any) -> Relay:
    return Relay(database_url=log.database_url, owner=log.owner, bootstrap_servers=log.servers, **more)


@asynccontextmanager
async def _running(relay: Relay) -> AsyncIterator[Relay]:
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


async def _until(condition: Any, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


async def _published(log: Log, position: int, within: float = 10.0) -> None:
    async def there() -> bool:
        return await log.published() >= position

    await _until(there, within)


def _sequence(record: Incoming) -> int:
    return int(dict(record.headers)["ce_sequence"])


def _first_occurrences(records: Iterable[Incoming]) -> dict[int, list[int]]:
    found: dict[int, dict[int, None]] = {}
    for record in records:
        found.setdefault(record.partition, {}).setdefault(_sequence(record))
    return {partition: list(positions) for partition, positions in found.items()}


def _assert_in_order(records: Iterable[Incoming]) -> None:
    for partition, positions in _first_occurrences(records).items():
        assert positions == sorted(positions), f"overtaken in partition {partition}"


async def test_given_sixteen_writers_when_rival_relays_die_at_random_then_nothing_is_lost_or_overtaken(
    log: Log,
) -> None:
    chance = random.Random(4711)
    subjects = [uuid.uuid4() for _ in range(60)]
    writing = True

    async def write(writer: int) -> None:
        for number in range(0, 312, 4):
            subject = subjects[(writer * 7 + number) % len(subjects)]
            await log.append(subject, *range(number, number + 4))

    async def be_a_rival() -> None:
        while writing:
            relay = _relay(log)
            await relay.start()
            await asyncio.sleep(chance.uniform(0.2, 0.8))
            if chance.random() < 0.5:
                await log.pool.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where application_name = $1 and datname = current_database()",
                    f"{log.owner} relay",
                )
                await asyncio.sleep(0.1)
            if chance.random() < 0.5:
                # Dies in the middle: nothing is drained.
                assert relay._task is not None
                relay._task.cancel()
                await asyncio.wait([relay._task])
            else:
                await relay.stop()

    rivals = [asyncio.create_task(be_a_rival()) for _ in range(2)]
    await asyncio.gather(*(write(writer) for writer in range(16)))
    writing = False
    await asyncio.gather(*rivals)
    head = await log.store.head()
    async with _running(_relay(log)):
        await _published(log, head)

    records = await log.records()
    _assert_in_order(records)
    stored = {row[0] for row in await log.pool.fetch("select position from event")}
    assert len(stored) == 16 * 312
    assert {_sequence(record) for record in records} == stored
    assert await log.published() == max(stored)


async def test_given_a_publish_failed_then_nothing_of_its_partition_overtakes_it(log: Log) -> None:
    FailingPublisher.failing = True
    blocked_subject = uuid.uuid4()
    blocked = partition_for(str(blocked_subject).encode(), log.partitions)
    others = [s for s in (uuid.uuid4() for _ in range(20)) if partition_for(str(s).encode(), 12) != blocked]

    async def connect(servers: str) -> FailingPublisher:
        return FailingPublisher(await Publisher.connect(servers), blocked)

    first_blocked = await log.append(blocked_subject, 0)
    async with _running(_relay(log, connect=connect)) as relay:
        for number in range(1, 40):
            await log.append(blocked_subject, number)
            await log.append(others[number % len(others)], number)

        async def others_arrived() -> bool:
            return sum(r.partition != blocked for r in await log.records()) >= 39

        await _until(others_arrived)
        assert await log.published() < first_blocked
        assert [r for r in await log.records() if r.partition == blocked] == []
        assert any(f"partition {blocked} " in problem for problem in relay.problems())

        FailingPublisher.failing = False
        await _published(log, await log.store.head())
        assert relay.problems() == []

    records = await log.records()
    _assert_in_order(records)
    assert len({_sequence(r) for r in records if r.partition == blocked}) == 40


async def test_given_the_broker_refuses_a_batch_when_it_allows_it_again_then_the_order_is_kept(
    log_url: str, kafka: str
) -> None:
    async with opened_log(log_url, kafka, partitions=2) as log, topics(kafka, {}) as admin:

        async def allow(size: int) -> None:
            resource = ConfigResource(ConfigResourceType.TOPIC, log.topic, {"max.message.bytes": str(size)})
            await admin.alter_configs([resource])

        await allow(2_000)
        subject = uuid.uuid4()
        async with _running(_relay(log)) as relay:
            await _published(log, await log.append(subject, 0))
            await log.append(subject, 1, filler=random.Random(1).randbytes(4_000).hex())

            async def refused() -> bool:
                return bool(relay.problems())

            await _until(refused)
            last = [await log.append(subject, number) for number in range(2, 12)][-1]

            async def counted() -> bool:
                return "11 events wait" in relay.problems()[0]

            await _until(counted)
            assert "MessageSizeTooLarge" in relay.problems()[0]
            await allow(1_000_000)
            await _published(log, last)

        assert _first_occurrences(await log.records()) == {
            partition_for(str(subject).encode(), 2): list(range(1, 13))
        }


async def test_given_a_paused_owner_when_it_wakes_then_it_cannot_move_published(log: Log) -> None:
    subject = uuid.uuid4()
    arguments = [log.database_url, log.owner, log.servers, "1"]
    paused = subprocess.Popen([sys.executable, str(Path(__file__).with_name("relay_process.py")), *arguments])
    try:
        await _published(log, await log.append(subject, 0))
        epoch = await log.pool.fetchval("select epoch from relay")
        paused.send_signal(signal.SIGSTOP)
        last = [await log.append(subject, number) for number in range(1, 50)][-1]

        # Its session is ended by the server, although its process holds the connection open.
        async with _running(_relay(log)):
            await _published(log, last)
            paused.send_signal(signal.SIGCONT)
            with pytest.raises(LostOwnershipError):
                await advance(log.pool, last + 1_000, epoch)
            await asyncio.sleep(0.5)
            assert await log.published() == last
            after = await log.append(subject, 50)
            await _published(log, after)
            assert await log.pool.fetchval("select epoch from relay") == epoch + 1
    finally:
        paused.kill()
        paused.wait()
    _assert_in_order(await log.records())


async def test_given_kafka_is_down_then_the_relay_says_how_much_waits_and_ends_clean(log: Log) -> None:
    relay = Relay(database_url=log.database_url, owner=log.owner, bootstrap_servers="127.0.0.1:1")
    await log.append(uuid.uuid4(), 0)
    await log.append(uuid.uuid4(), 1)
    await relay.start()

    async def told() -> bool:
        return any("2 events wait" in problem for problem in relay.problems())

    await _until(told)
    began = time.monotonic()
    await relay.stop()
    assert time.monotonic() - began < 6
    assert await log.published() == 0


async def test_given_an_idle_relay_when_appended_then_published_sooner_than_a_poll(log: Log) -> None:
    subject = uuid.uuid4()
    async with _running(_relay(log)):
        await _published(log, await log.append(subject, 0))
        waits = []
        for number in range(1, 10):
            # Any phase of the poll.
            await asyncio.sleep(0.06)
            position = await log.append(subject, number)
            began = time.monotonic()
            await _published(log, position)
            waits.append(time.monotonic() - began)
    assert sorted(waits)[len(waits) // 2] < 0.1


async def test_given_the_owner_dies_in_postgres_then_it_comes_back_by_itself(log: Log) -> None:
    connection = await asyncpg.connect(log.database_url)
    async with _running(_relay(log)):
        await _published(log, await log.append(uuid.uuid4(), 0))
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1",
            f"{log.owner} relay",
        )
        await _published(log, await log.append(uuid.uuid4(), 1))
    await connection.close()
