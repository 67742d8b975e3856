"""What does a test of parking need: records of which some cannot be applied, and a view that gets them?"""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg

from portal_events.cloudevents import to_record
from portal_events.topics import events_topic, partition_for
from portal_eventstore.consume import ViewConsumption
from portal_eventstore.editions import create_tables
from portal_eventstore.kafka import Incoming, Partition
from portal_eventstore.testing.kafka_log import Log, counted_class, effects
from portal_eventstore.view import Parsed, Projection, Received, View, view_of

PERSON = "Anna Nowak"
"""A person's name, as it may stand in any record; it may never be told."""

Refuse = Callable[[Received], None]


def refusing(projection: Projection, refuse: Refuse) -> Projection:
    """Return the view with a handler that looks at each event first, and may raise."""

    async def apply(connection: Any, received: Sequence[Received]) -> None:
        for one in received:
            refuse(one)
        await projection.apply(connection, received)

    return replace(projection, apply=apply)


def spoil_header(record: Incoming) -> Incoming:
    """Return the record with a time that nobody can read."""
    return _with_header(record, "ce_time", PERSON.encode() + b"\xff")


def spoil_version(record: Incoming) -> Incoming:
    """Return the record as one of a version that nobody knows yet."""
    type_ = dict(record.headers)["ce_type"].removesuffix(b".v1") + b".v9"
    return _with_header(record, "ce_type", type_)


def spoil_json(record: Incoming) -> Incoming:
    """Return the record with a value that ends too early."""
    return record._replace(value=b'{"subjectId": "' + PERSON.encode())


def _with_header(record: Incoming, name: str, value: bytes) -> Incoming:
    headers = {**dict(record.headers), name: value}
    return record._replace(headers=tuple(headers.items()))


@dataclass
class Poisoned:
    """A topic in memory, followed by one view of one row an event in a database.

    `sound`: each record as it was before it was spoilt. `refused`: the positions that the handler refuses.
    """

    pool: Any
    log: Log
    records: dict[int, list[Incoming]] = field(default_factory=lambda: {n: [] for n in range(4)})
    sound: dict[tuple[int, int], Incoming] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    position: int = 0

    def add(
        self, subject: uuid.UUID, number: int, spoil: Callable[[Incoming], Incoming] | None = None
    ) -> Incoming:
        """Put the subject's next event on the topic."""
        self.position += 1
        record = to_record(self.log.stored(self.position, subject, number))
        partition = partition_for(record.key, 4)
        return self.put(
            Incoming(self.log.topic, partition, 0, record.key, record.value, tuple(record.headers)), spoil
        )

    def put(self, record: Incoming, spoil: Callable[[Incoming], Incoming] | None = None) -> Incoming:
        """Put a record on the topic, at the end of its partition."""
        lane = self.records[record.partition]
        record = record._replace(offset=len(lane))
        self.sound.setdefault((record.partition, record.offset), record)
        lane.append(spoil(record) if spoil else record)
        return lane[-1]

    def refuse(self, received: Received) -> None:
        """Raise what a handler would, its text quoting the row."""
        if received.stored.position in self.refused:
            raise ValueError(PERSON)

    @property
    def projection(self) -> Projection:
        """Return the view's declaration."""
        return refusing(effects(self.log.counted), self.refuse)

    @property
    def view(self) -> View[Received]:
        """Return the view as the code before the repair has it."""
        return view_of(self.projection)

    @property
    def mended(self) -> View[Received]:
        """Return the view as the repaired code has it: it reads everything and refuses nothing."""
        view = view_of(effects(self.log.counted))

        def parse(record: Incoming) -> Parsed[Received]:
            return view.parse(self.sound[record.partition, record.offset])

        return replace(view, parse=parse)

    async def feed(self, consumption: ViewConsumption[Any], most: int = 10_000, rounds: int = 1_000) -> None:
        """Hand over everything that is left, at most so many records of a partition at a time."""
        topic = self.log.topic
        offsets = dict(await consumption.begin([(topic, partition) for partition in self.records]))
        for _ in range(rounds):
            batches: dict[Partition, Sequence[Incoming]] = {
                (topic, partition): some
                for partition, lane in self.records.items()
                if (some := lane[offsets[topic, partition] :][:most])
            }
            if not batches:
                return
            again = await consumption.handle(batches)
            offsets |= {tp: again.get(tp, batch[-1].offset + 1) for tp, batch in batches.items()}

    async def consume(self, view: View[Any] | None = None, most: int = 10_000, rounds: int = 1_000) -> Any:
        """Feed a new worker with everything that is left, and return it."""
        consumption = ViewConsumption(self.pool, view or self.view)
        await self.feed(consumption, most, rounds)
        return consumption

    async def applied(self) -> list[int]:
        """Return the positions in the view, in the order of their coming."""
        return [row[0] for row in await self.pool.fetch("select position from effect order by happened")]

    async def parked(self) -> list[Mapping[str, Any]]:
        """Return what is parked, in order of the topic."""
        rows = await self.pool.fetch("select * from parked order by partition, record_offset")
        return [dict(row) for row in rows]

    async def places(self) -> list[tuple[Any, ...]]:
        """Return where the view stands in each partition."""
        rows = await self.pool.fetch(
            "select partition, next_offset, last_position from projection_position order by partition"
        )
        return [tuple(row) for row in rows]

    async def counters(self) -> int:
        """Return how many records wait, as the places tell."""
        count: int = await self.pool.fetchval("select coalesce(sum(parked), 0) from projection_position")
        return count


@asynccontextmanager
async def poisoned(database_url: str, owner: str | None = None) -> AsyncIterator[Poisoned]:
    """Give an empty topic in memory and its view in the database; no Kafka is needed.

    The database has the store's tables. An `owner` is one who has been there before.
    """
    name = owner or f"test{uuid.uuid4().hex[:12]}"
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=8)
    nothing: Any = None
    log = Log(name, events_topic(name), 4, database_url, "", pool, nothing, counted_class(name))
    poisoned = Poisoned(pool, log)
    await create_tables(pool, [poisoned.view])
    try:
        yield poisoned
    finally:
        await pool.close()
