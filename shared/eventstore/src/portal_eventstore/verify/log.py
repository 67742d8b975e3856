"""Does a store hold what its topic holds, byte for byte, and does the topic hold all that was published?

Works while both go on: first the relay's mark, then the topic's ends, then one snapshot of the store. So what
the topic holds up to its ends must be in the snapshot, and everything up to the mark in the topic.
"""

import hashlib
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from portal_events.cloudevents import to_record
from portal_events.stored import StoredEvent
from portal_events.topics import events_topic, partition_for
from portal_eventstore.history import fences
from portal_eventstore.log_in_order import Item, LogInOrder
from portal_eventstore.metadata import stored_event
from portal_eventstore.verify.check import Check, named

_ALL = "select position, id, type, version, tags, data, time, metadata from event order by position"
_PUBLISHED = "select published from relay"
_DROPPED = "select position, id from dropped_event"
_TAKEN = "select case when is_called then last_value else last_value - 1 end from event_position"
_TAGS = """
with told as (select distinct t.tag, e.position, e.type from event e, unnest(e.tags) as t (tag)),
differing as (
    (select tag collate "C", position, type collate "C" from told
        except select tag, position, type from event_tag)
    union all
    (select tag, position, type from event_tag except select tag, position, type from told)
)
select distinct position from differing order by position
"""
_PREFETCH = 2_000
_SAMPLE = 20


@dataclass
class _Lane:
    """One partition: how many events on either side, and a digest of their records."""

    stored: int = 0
    held: int = 0
    ours: Any = field(default_factory=hashlib.sha256)
    theirs: Any = field(default_factory=hashlib.sha256)


class _Comparison:
    """What is found while both sides are walked through by position."""

    def __init__(self, owner: str, partitions: int, published: int, dropped: dict[int, Any]) -> None:
        self.lanes = [_Lane() for _ in range(partitions)]
        self.not_in_kafka: list[int] = []
        self.not_in_store: list[int] = []
        self.other: list[int] = []
        self.waiting = self.left_out = self.unused = 0
        self.sample: list[tuple[StoredEvent, Item]] = []
        self._owner = owner
        self._published = published
        self._dropped = dropped
        self._chance = random.Random()  # noqa: S311  no secret
        self._seen = self.head = 0

    def both(self, event: StoredEvent, item: Item) -> None:
        """Compare an event that both sides have at this position."""
        record, found = to_record(event), item.record
        partition = partition_for(record.key, len(self.lanes))
        self._count(event.position)
        self.lanes[partition].stored += 1
        self.lanes[partition].ours.update(_bytes(record.key, record.value, record.headers))
        self.lanes[found.partition].held += 1
        self.lanes[found.partition].theirs.update(_bytes(found.key, found.value, found.headers))
        same = (record.key, record.value, list(record.headers)) == (
            found.key,
            found.value,
            list(found.headers),
        )
        if not same or partition != found.partition:
            self.other.append(event.position)
        # Every pair has the same chance to be in the sample (reservoir).
        self._seen += 1
        if len(self.sample) < _SAMPLE:
            self.sample.append((event, item))
        elif (place := self._chance.randrange(self._seen)) < _SAMPLE:
            self.sample[place] = (event, item)

    def ours(self, event: StoredEvent) -> None:
        """Judge an event that the topic has not."""
        self._count(event.position)
        if event.position > self._published:
            self.waiting += 1
        else:
            self.not_in_kafka.append(event.position)

    def theirs(self, item: Item) -> None:
        """Judge an event that the store has not."""
        if self._dropped.get(item.stored.position) == item.stored.id:
            self.left_out += 1
        else:
            self.not_in_store.append(item.stored.position)

    def _count(self, position: int) -> None:
        self.unused += position - self.head - 1
        self.head = position


async def verify_log(database_url: str, owner: str, bootstrap_servers: str) -> AsyncIterator[Check]:
    """Yield a line for each thing that was compared."""
    connection = await asyncpg.connect(
        database_url,
        server_settings={"application_name": f"{owner} verify", "statement_timeout": "0", "jit": "off"},
    )
    try:
        published = await connection.fetchval(_PUBLISHED)
        ranges = await fences(bootstrap_servers, events_topic(owner))
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            dropped = {row["position"]: row["id"] for row in await connection.fetch(_DROPPED)}
            found = _Comparison(owner, len(ranges), published, dropped)
            log = LogInOrder(bootstrap_servers, owner, ranges)
            async with aclosing(log.batches()) as batches, aclosing(_stored(connection, owner)) as stored:
                await _walk(stored, batches, found)
            for check in (*_counts(found, log), _digests(found), _sample(found)):
                yield check
            yield _sequence(await connection.fetchval(_TAKEN), found, log)
            tags = [position for (position,) in await connection.fetch(_TAGS)]
            yield Check(
                not tags,
                "event_tag agrees with event.tags" if not tags else f"event_tag differs at {named(tags)}",
            )
    finally:
        await connection.close(timeout=5)


async def _stored(connection: Any, owner: str) -> AsyncGenerator[StoredEvent, None]:
    async for row in connection.cursor(_ALL, prefetch=_PREFETCH):
        yield stored_event(owner, row)


async def _walk(
    stored: AsyncGenerator[StoredEvent, None], batches: AsyncGenerator[list[Item], None], found: _Comparison
) -> None:
    event = await anext(stored, None)
    async for items in batches:
        for item in items:
            while event is not None and event.position < item.stored.position:
                found.ours(event)
                event = await anext(stored, None)
            if event is not None and event.position == item.stored.position:
                found.both(event, item)
                event = await anext(stored, None)
            else:
                found.theirs(item)
    while event is not None:
        found.ours(event)
        event = await anext(stored, None)


def _counts(found: _Comparison, log: LogInOrder) -> list[Check]:
    stored = sum(lane.stored for lane in found.lanes)
    told = f"{stored:,} events in store and topic; {found.waiting:,} wait to be published"
    if log.duplicates:
        told += f"; {log.duplicates:,} records are repeats, which readers drop"
    if found.left_out:
        told += f"; {found.left_out:,} left out by a restore, because Kafka holds only part of their append"
    if found.unused:
        told += f"; {found.unused:,} positions were never used"
    wrong: list[tuple[str, list[Any]]] = [
        ("published, but not in Kafka: position", found.not_in_kafka),
        ("in Kafka, but not in the store: position", found.not_in_store),
        ("two events in Kafka at position", log.contradicting),
        ("no events of this service: record", log.unreadable),
    ]
    return [Check(clean=True, text=told)] + [
        Check(clean=False, text=f"{what} {named(places)}") for what, places in wrong if places
    ]


def _digests(found: _Comparison) -> Check:
    if found.other:
        return Check(
            clean=False, text=f"store and Kafka hold different records at position {named(found.other)}"
        )
    whole = hashlib.sha256()
    for number, lane in enumerate(found.lanes):
        if lane.ours.digest() != lane.theirs.digest():
            return Check(clean=False, text=f"partition {number}: the digests of store and topic differ")
        whole.update(lane.ours.digest())
    counted = sum(1 for lane in found.lanes if lane.held)
    return Check(clean=True, text=f"equal digests in {counted} partitions: {whole.hexdigest()[:16]}")


def _sample(found: _Comparison) -> Check:
    for event, item in found.sample:
        try:
            same = event == item.stored and event.decode() == item.stored.decode()
        except Exception as error:  # noqa: BLE001  whatever it is, it is told
            return Check(
                clean=False, text=f"position {event.position} cannot be read ({type(error).__name__})"
            )
        if not same:
            return Check(clean=False, text=f"position {event.position} differs when it is read")
    return Check(clean=True, text=f"{len(found.sample)} events compared field by field")


def _sequence(taken: int, found: _Comparison, log: LogInOrder) -> Check:
    top = max(log.last.values(), default=0)
    if taken < max(top, found.head):
        text = f"the next position would be {taken + 1}, but the store has {found.head}, and Kafka {top}"
        return Check(clean=False, text=text)
    return Check(clean=True, text=f"positions go on at {taken + 1}")


def _bytes(key: bytes | None, value: bytes | None, headers: Any) -> bytes:
    parts = [key or b"", value or b""]
    for name, content in headers:
        parts += [name.encode(), content]
    return b"".join(len(part).to_bytes(4) + part for part in parts)
