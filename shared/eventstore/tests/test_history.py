"""Is a topic's past read whole, in order, and not a record beyond what was asked for?"""

import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from portal_events.topics import partition_for
from portal_eventstore.history import LostHistoryError, SilentKafkaError, fences, read
from portal_eventstore.kafka import Incoming
from portal_eventstore.testing.kafka_log import Log, opened_log, topics

pytestmark = pytest.mark.connected

_PARTITIONS: Final = 3
_SUBJECT: Final = uuid.UUID(int=1)
_PARTITION: Final = partition_for(str(_SUBJECT).encode(), _PARTITIONS)


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=_PARTITIONS) as log:
        yield log


async def _read(log: Log, start: int, end: int) -> list[Incoming]:
    batches = [batch async for batch in read(log.servers, log.topic, _PARTITION, start, end)]
    assert all(batches), "an empty batch"
    return [record for batch in batches for record in batch]


async def test_given_a_topic_when_a_part_is_read_then_just_that_comes_in_order_and_whole(log: Log) -> None:
    subjects = [uuid.UUID(int=number) for number in range(20)]
    await log.publish([log.stored(n, subjects[n % 20], n) for n in range(1, 20_001)])
    held = await fences(log.servers, log.topic)
    assert sorted(held) == [(log.topic, number) for number in range(_PARTITIONS)]
    assert sum(end for _, end in held.values()) == 20_000
    expected = sorted(
        (r for r in await log.records() if r.partition == _PARTITION), key=lambda record: record.offset
    )
    begin, end = held[log.topic, _PARTITION]
    assert await _read(log, begin, end) == expected
    # What comes later does not belong to what was asked for.
    assert await _read(log, 7, end - 7) == expected[7:-7]
    assert await _read(log, 7, 7) == []


async def test_given_a_reader_stops_early_when_it_closes_then_nothing_is_left_open(log: Log) -> None:
    await log.publish([log.stored(n, _SUBJECT, n) for n in range(1, 12_001)])
    async with aclosing(read(log.servers, log.topic, _PARTITION, 0, 12_000)) as batches:
        async for batch in batches:
            assert batch[0].offset == 0
            break


async def test_given_the_last_offsets_hold_no_records_when_read_to_the_end_then_it_ends(
    log: Log, kafka: str
) -> None:
    # The mark that ends a transaction takes an offset, as what was compacted away does.
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=log.owner)
    await producer.start()
    for value in (b"1", b"2"):
        async with producer.transaction():
            await producer.send(log.topic, value, partition=_PARTITION)
    await producer.stop()
    assert (await fences(kafka, log.topic))[log.topic, _PARTITION].end == 4
    assert [record.offset for record in await _read(log, 0, 4)] == [0, 2]
    assert await _read(log, 3, 4) == []


async def test_given_kafka_has_let_the_first_records_go_when_read_from_there_then_it_is_an_error(
    log: Log, kafka: str
) -> None:
    await log.publish([log.stored(n, _SUBJECT, n) for n in range(1, 31)])
    async with topics(kafka, {}) as admin:
        await admin.delete_records({TopicPartition(log.topic, _PARTITION): RecordsToDelete(20)})
    with pytest.raises(LostHistoryError, match="holds 20 to 30"):
        await _read(log, 10, 30)
    assert len(await _read(log, 20, 30)) == 10


async def test_given_kafka_ends_before_what_was_asked_for_when_read_then_it_is_an_error(log: Log) -> None:
    await log.publish([log.stored(n, _SUBJECT, n) for n in range(1, 11)])
    with pytest.raises(LostHistoryError, match="holds 0 to 10"):
        await _read(log, 0, 11)
    with pytest.raises(LostHistoryError, match="no topic"):
        await fences(log.servers, f"{log.topic}.other")


async def test_given_kafka_is_down_when_read_then_it_is_an_error_in_bounded_time() -> None:
    with pytest.raises(SilentKafkaError):
        await fences("127.0.0.1:1", "nowhere.events", patience=0.5)
    with pytest.raises(SilentKafkaError):
        _ = [batch async for batch in read("127.0.0.1:1", "nowhere.events", 0, 0, 1, patience=0.5)]
