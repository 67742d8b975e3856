"""How are a topic's past records read, from one offset to another and nothing beside them?

For what reads a whole history once (rebuild, restore, verify): no consumer group, no commits, one partition
at a time, and never a record skipped without a word.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from portal_eventstore.kafka import Incoming, Partition, Range

PATIENCE = 30.0
"""Seconds without a record, or an answer, after which Kafka counts as silent."""

_MAX_RECORDS = 5_000
_POLL_MILLISECONDS = 500


class SilentKafkaError(Exception):
    """Kafka did not answer in time."""


class LostHistoryError(Exception):
    """Kafka does not hold all the records that were asked for."""


async def fences(bootstrap_servers: str, topic: str, *, patience: float = PATIENCE) -> dict[Partition, Range]:
    """Return the offsets that Kafka holds now of every partition of `topic`.

    Raises SilentKafkaError, and LostHistoryError where there is no such topic.
    """
    async with _consumer(bootstrap_servers, patience) as consumer:
        return await _held(consumer, topic)


async def read(
    bootstrap_servers: str, topic: str, partition: int, start: int, end: int, *, patience: float = PATIENCE
) -> AsyncGenerator[list[Incoming], None]:
    """Yield the records from offset `start` up to before `end`, in order, some thousands at a time.

    Offsets that compaction took away are left out. Raises LostHistoryError where Kafka begins after `start`
    or ends before `end`, SilentKafkaError after `patience` seconds without an answer. Close it (`aclosing`)
    where it is not read to its end.
    """
    if start >= end:
        return
    async with _consumer(bootstrap_servers, patience) as consumer:
        place = TopicPartition(topic, partition)
        held = (await _held(consumer, topic)).get((topic, partition), Range(0, 0))
        _refuse_lost(place, held, start, end)
        consumer.assign([place])
        consumer.seek(place, start)
        while await consumer.position(place) < end:
            records = await _some(consumer, place, patience)
            if batch := [
                Incoming(r.topic, r.partition, r.offset, r.key, r.value, r.headers)
                for r in records
                if r.offset < end
            ]:
                yield batch


@asynccontextmanager
async def _consumer(bootstrap_servers: str, patience: float) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        auto_offset_reset="none",
        enable_auto_commit=False,
        request_timeout_ms=int(1000 * patience),
    )
    try:
        async with asyncio.timeout(patience):
            await consumer.start()
        yield consumer
    except OffsetOutOfRangeError as error:
        raise LostHistoryError("Kafka no longer holds the records that come next") from error
    except (KafkaError, TimeoutError) as error:
        raise SilentKafkaError(f"Kafka does not answer ({type(error).__name__})") from error
    finally:
        await consumer.stop()


async def _held(consumer: Any, topic: str) -> dict[Partition, Range]:
    if topic not in await consumer.topics():
        raise LostHistoryError(f"Kafka has no topic {topic}")
    await consumer._client._wait_on_metadata(topic)  # noqa: SLF001  partitions_for_topic does not wait
    places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
    begins = await consumer.beginning_offsets(places)
    ends = await consumer.end_offsets(places)
    return {tuple(place): Range(begins[place], ends[place]) for place in places}


def _refuse_lost(place: Any, held: Range, start: int, end: int) -> None:
    if start < held.begin or end > held.end:
        raise LostHistoryError(
            f"{place.topic}/{place.partition}: offsets {start} to {end} are wanted, "
            f"but Kafka holds {held.begin} to {held.end}"
        )


async def _some(consumer: Any, place: Any, patience: float) -> Sequence[Any]:
    async with asyncio.timeout(patience):
        before = await consumer.position(place)
        while True:
            found = await consumer.getmany(timeout_ms=_POLL_MILLISECONDS, max_records=_MAX_RECORDS)
            # Compaction may leave nothing of what was fetched: then only the position has moved.
            if found or await consumer.position(place) > before:
                return found.get(place) or ()
