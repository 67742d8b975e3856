"""How far does a topic of events go?

A relay that died leaves duplicates at a partition's end: the last records are looked at, not the last one
alone, and more of them where they show that the relay had begun anew.
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from portal_events.cloudevents import RecordMalformedError, from_record
from portal_eventstore.history import SilentKafkaError

_LOOK_BACK = 200
"""More than a relay mostly has on its way to one partition when it dies."""

_FURTHER = 20
"""So many times further back the second look goes, and every one after it."""


class Last(NamedTuple):
    """The event of the highest position in one partition."""

    partition: int
    position: int
    id: UUID


async def last_events(bootstrap_servers: str, topic: str, within: float) -> list[Last]:
    """Return the last event of every partition that has one.

    Raises SilentKafkaError after `within` seconds.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, auto_offset_reset="none", enable_auto_commit=False
    )
    try:
        async with asyncio.timeout(within):
            await consumer.start()
            return await _last_events(consumer, topic)
    except (KafkaError, TimeoutError) as error:
        raise SilentKafkaError(f"Kafka does not answer ({type(error).__name__})") from error
    finally:
        await consumer.stop()


async def _last_events(consumer: Any, topic: str) -> list[Last]:
    if topic not in await consumer.topics():
        return []
    await consumer._client._wait_on_metadata(topic)  # noqa: SLF001  partitions_for_topic does not wait
    places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    begins = await consumer.beginning_offsets(places)
    ends = await consumer.end_offsets(places)
    looked = _LOOK_BACK
    found: dict[Any, Last] = {}
    left = {place for place in places if ends[place] > begins[place]}
    while left:
        starts = {place: max(begins[place], ends[place] - looked) for place in left}
        for place, records in (await _read(consumer, starts, ends)).items():
            events = _events(records)
            if events:
                found[place] = max(events, key=lambda event: event.position)
            if starts[place] == begins[place] or (events and not _begun_anew(records, events)):
                left.remove(place)
        looked *= _FURTHER
    return list(found.values())


async def _read(consumer: Any, starts: Mapping[Any, int], ends: Mapping[Any, int]) -> dict[Any, list[Any]]:
    consumer.assign(list(starts))
    for place, start in starts.items():
        consumer.seek(place, start)
    read: dict[Any, list[Any]] = {place: [] for place in starts}
    while any([await consumer.position(place) < ends[place] for place in starts]):
        for place, records in (await consumer.getmany(timeout_ms=200)).items():
            read[place] += [record for record in records if record.offset < ends[place]]
    return read


def _events(records: Sequence[Any]) -> list[Last]:
    events = []
    for record in records:
        try:
            stored = from_record(record.topic, record.key, record.value, record.headers)
        except RecordMalformedError:
            continue
        events.append(Last(record.partition, stored.position, stored.id))
    return events


def _begun_anew(records: Sequence[Any], events: Sequence[Last]) -> bool:
    """Tell whether what stands there does not simply rise: then something higher may stand before it."""
    positions = [event.position for event in events]
    rises = all(earlier < later for earlier, later in pairwise(positions))
    return len(events) < len(records) or not rises
