"""What does a connected test need of a log: tables, a topic of its own, events to append and read?"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from uuid_utils.compat import uuid7

from portal_events.base import Event
from portal_events.cloudevents import to_record
from portal_events.stored import Metadata, StoredEvent
from portal_events.topics import events_topic, partition_for
from portal_eventstore import postgres
from portal_eventstore.kafka import Incoming, Outgoing, Publisher
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.project import Projector
from portal_eventstore.store import Append, NewEvent
from portal_eventstore.view import Projection, Received

_EFFECT = """
create table if not exists effect (
    happened bigint generated always as identity primary key,
    position bigint not null,
    subject uuid not null,
    number int not null
)
"""


class Counted(Event):
    """A test's event: the `number`th of its subject."""

    OWNER: ClassVar[str] = "test"
    SUBJECT: ClassVar[str] = "subject_id"

    subject_id: uuid.UUID
    number: int


@dataclass(frozen=True)
class Log:
    """One owner's store and topic, empty at first."""

    owner: str
    topic: str
    partitions: int
    database_url: str
    servers: str
    pool: Any
    store: PostgresStore
    counted: type[Counted]

    async def append(self, subject: uuid.UUID, *numbers: int, filler: str = "") -> int:
        """Append one event a number, together, and return the last one's position."""
        events = [self.counted(subject_id=subject, number=number) for number in numbers]
        metadata = Metadata(subject, "system:test", uuid.uuid4(), uuid.uuid4(), len(numbers))
        new = tuple(
            NewEvent(
                uuid7(),
                "Counted",
                1,
                (f"subject:{subject}",),
                event.model_dump_json(by_alias=True)[:-1] + f',"filler":"{filler}"}}',
                datetime.now(UTC),
                metadata,
            )
            for event in events
        )
        [verdict] = await self.store.append([Append(new)])
        if verdict is None:
            raise AssertionError("an append without a condition went stale")
        return verdict[-1]

    def stored(self, position: int, subject: uuid.UUID, number: int) -> StoredEvent:
        """Return an event as the store would hold it at `position`, without appending it."""
        data = self.counted(subject_id=subject, number=number).model_dump_json(by_alias=True)
        return StoredEvent(
            self.owner,
            position,
            uuid.uuid4(),
            "Counted",
            1,
            (f"subject:{subject}",),
            data,
            datetime.now(UTC),
            Metadata(subject, "system:test", uuid.uuid4(), uuid.uuid4(), 1),
        )

    async def publish(self, events: Sequence[StoredEvent]) -> None:
        """Put events on the topic, as a relay would, in this order."""
        publisher = await Publisher.connect(self.servers)
        try:
            lanes: dict[int, list[Outgoing]] = {}
            for event in events:
                record = to_record(event)
                lane = lanes.setdefault(partition_for(record.key, self.partitions), [])
                lane.append(Outgoing(record.key, record.value, record.headers))
            for partition, records in lanes.items():
                while records:
                    del records[: await publisher.publish(self.topic, partition, records)]
        finally:
            await publisher.close()

    async def published(self) -> int:
        """Return the relay's mark."""
        mark: int = await self.pool.fetchval("select published from relay")
        return mark

    async def records(self) -> list[Incoming]:
        """Return everything on the topic, in order within each partition."""
        return await read_topic(self.servers, self.topic)


@asynccontextmanager
async def opened_log(database_url: str, servers: str, partitions: int = 12) -> AsyncIterator[Log]:
    """Open a log of a name of its own in a database with the store's tables."""
    owner = f"test{uuid.uuid4().hex[:12]}"
    counted = counted_class(owner)
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=10)
    store = await PostgresStore.connect(database_url, owner)
    topic = events_topic(owner)
    try:
        async with topics(servers, {topic: partitions}):
            yield Log(owner, topic, partitions, database_url, servers, pool, store, counted)
    finally:
        await store.close()
        await asyncio.wait_for(pool.close(), 10)


def counted_class(owner: str) -> type[Counted]:
    """Return the owner's own class of counted events."""
    return type("Counted", (Counted,), {"OWNER": owner, "SUBJECT": "subject_id", "__module__": __name__})


def effects(
    counted: type[Counted],
    *,
    before: Callable[[], None] = lambda: None,
    after: Callable[[], None] = lambda: None,
) -> Projection:
    """Return a view with one row an effect, so that a second effect of an event would show.

    `before` and `after` run around the rows of every batch, inside the transaction; they may raise.
    """

    async def apply(connection: Any, received: Sequence[Received]) -> None:
        before()
        await connection.copy_records_to_table(
            "effect",
            columns=["position", "subject", "number"],
            records=[(r.stored.position, r.event.subject, _number(r)) for r in received],
        )
        after()

    return Projection("effects", (events_topic(counted.OWNER),), (counted,), _EFFECT, apply)


def _number(received: Received) -> int:
    if not isinstance(received.event, Counted):
        raise TypeError(type(received.event).__name__)
    return received.event.number


async def migrate(database_url: str, *more: str) -> None:
    """Create the event store's tables, and more of a test's own."""
    connection = await asyncpg.connect(database_url)
    try:
        for path in sorted(postgres.MIGRATIONS.glob("*.sql")):
            await connection.execute(path.read_text().partition("-- migrate:down")[0])
        for table in more:
            await connection.execute(table)
    finally:
        await connection.close()


async def migrate_with_effects(database_url: str) -> None:
    """Create the event store's tables, and the one that the view of effects would create."""
    await migrate(database_url, _EFFECT)


@asynccontextmanager
async def topics(
    servers: str, partitions: Mapping[str, int], configs: Mapping[str, str] | None = None
) -> AsyncIterator[AIOKafkaAdminClient]:
    """Create topics, and delete them afterwards."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics(
            [
                NewTopic(name, count, 1, topic_configs=dict(configs or {}))
                for name, count in partitions.items()
            ]
        )
        yield admin
        await admin.delete_topics(list(partitions))
    finally:
        await admin.close()


@asynccontextmanager
async def following(log: Log, projection: Projection) -> AsyncIterator[Projector]:
    """Keep one view of the log up to date for the block."""
    projector = Projector(
        service=log.owner, pool=log.pool, bootstrap_servers=log.servers, projections=[projection]
    )
    await projector.start()
    try:
        yield projector
    finally:
        await projector.stop()


async def read_topic(servers: str, topic: str) -> list[Incoming]:
    """Return every record that is on the topic now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await consumer._client._wait_on_metadata(topic)  # noqa: SLF001  partitions_for_topic does not wait
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Incoming] = []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += (
                    Incoming(r.topic, r.partition, r.offset, r.key, r.value, r.headers) for r in records
                )
        return found
    finally:
        await consumer.stop()
