"""What does the portal ask of Kafka's client libraries?

The only module that knows aiokafka and FastStream.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextvars import Context
from typing import Any, NamedTuple, Protocol, TypeAlias

from aiokafka import AIOKafkaProducer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

_log = logging.getLogger(__name__)

Partition: TypeAlias = tuple[str, int]
"""Topic and partition. aiokafka's TopicPartition is a named tuple, equal to this one."""

_BATCH_BYTES = 512 * 1024
_REQUEST_MILLISECONDS = 10_000
_CLOSE_SECONDS = 3.0
_POLL_MILLISECONDS = 1_000
_SESSION_MILLISECONDS = 6_000
"""After this long a killed worker's partitions go to another; the broker allows no less by default."""
_MAX_RECORDS = 5_000
_MAX_BYTES = 4 * 1024 * 1024
_STEP_RECORDS = 50
_FETCH_BYTES = 256 * 1024
"""What waits for a slow view in memory: of each partition so many bytes as Kafka keeps them, compressed, and
one batch of records as they are read, which ends once it has _MAX_BYTES; an event may be 900 kB."""
_REFUSED_SECONDS = 0.2


class Outgoing(NamedTuple):
    """One record to be published."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Incoming(NamedTuple):
    """One record as it was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class PublishError(Exception):
    """Kafka did not take a batch, or it is not known whether it did. Holds no payload."""


class Publisher:
    """An idempotent producer (acks=all), to be thrown away after its first error.

    aiokafka gives a batch its sequence numbers when it first sends it. After a batch that the broker refused,
    the numbers of the two no longer agree and every later batch of that partition fails (aiokafka#1017).
    """

    def __init__(self, producer: Any) -> None:
        """Use `connect` instead."""
        self._producer = producer

    @classmethod
    async def connect(cls, bootstrap_servers: str) -> "Publisher":
        """Connect; raises PublishError when no broker answers."""
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers,
            enable_idempotence=True,
            acks="all",
            compression_type="zstd",
            max_batch_size=_BATCH_BYTES,
            request_timeout_ms=_REQUEST_MILLISECONDS,
        )
        publisher = cls(producer)
        try:
            await producer.start()
        except KafkaError as error:
            await publisher.close()
            raise PublishError(type(error).__name__) from error
        except BaseException:
            await publisher.close()
            raise
        return publisher

    async def partitions(self, topic: str) -> int:
        """Return how many partitions `topic` has."""
        try:
            return len(await self._producer.partitions_for(topic))
        except KafkaError as error:
            raise PublishError(f"{topic}: {type(error).__name__}") from error

    async def publish(self, topic: str, partition: int, records: Iterable[Outgoing]) -> int:
        """Publish the first of `records`, as many as one batch takes; return how many, once acknowledged.

        With Kafka down this waits: an idempotent batch is sent again until answered, or given up by `close`.
        """
        batch = self._producer.create_batch()
        count = 0
        for key, value, headers in records:
            if batch.append(timestamp=None, key=key, value=value, headers=list(headers)) is None:
                break
            count += 1
        batch.close()
        try:
            await (await self._producer.send_batch(batch, topic, partition=partition))
        except KafkaError as error:
            raise PublishError(f"{topic}/{partition}: {type(error).__name__}") from error
        return count

    async def close(self) -> None:
        """Give up what is not acknowledged, and close, within a few seconds even when Kafka is down."""
        # Idempotent batches never expire, so that aiokafka's own flush would wait for Kafka for ever.
        accumulator = self._producer._message_accumulator  # noqa: SLF001
        queued = [batch for lane in accumulator._batches.values() for batch in lane]  # noqa: SLF001
        queued += accumulator._pending_batches  # noqa: SLF001
        accumulator.fail_all(KafkaError("closed"))
        for batch in queued:
            # Looked at, lest asyncio complains about errors that nobody saw.
            batch.future.exception()
            if batch._drain_waiter.done():  # noqa: SLF001
                batch._drain_waiter.exception()  # noqa: SLF001
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._producer.stop()
        with contextlib.suppress(Exception):
            await self._producer.client.close()


class Consumption(Protocol):
    """What a consumer group does with its records."""

    name: str
    topics: tuple[str, ...]

    async def begin(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """Return the offsets to begin at, for partitions that were just assigned."""
        ...

    async def handle(self, batches: Mapping[Partition, Sequence[Incoming]]) -> Mapping[Partition, int]:
        """Take batches in; return where to read again, nothing when all is well. Raises nothing."""
        ...


class Range(NamedTuple):
    """The offsets that Kafka holds of a partition: `begin` inclusive, `end` exclusive."""

    begin: int
    end: int


class Consumers:
    """FastStream batch subscribers, one consumer group each.

    Offsets are the consumption's own: on assignment the consumer seeks to them, nothing is reset or committed
    automatically.
    """

    def __init__(self, bootstrap_servers: str, client_id: str, consumptions: Sequence[Consumption]) -> None:
        """Group `<client_id>.<name>` reads for each consumption."""
        self._broker = KafkaBroker(
            bootstrap_servers,
            client_id=client_id,
            consumer_only=True,
            allow_auto_create_topics=False,
            apply_types=False,
            logger=None,
            graceful_timeout=10.0,
        )
        self._reading = [_Reading() for _ in consumptions]
        self._subscribers = [
            self._subscribe(client_id, consumption, reading)
            for consumption, reading in zip(consumptions, self._reading, strict=True)
        ]

    async def start(self) -> None:
        """Connect and begin to read; raises KafkaError when Kafka does not answer."""
        await self._broker.start()

    async def stop(self) -> None:
        """Finish the batches at hand and leave the groups."""
        await self._broker.stop()

    async def ranges(self, number: int) -> dict[Partition, Range]:
        """Return what Kafka holds of the partitions that the consumption `number` is assigned.

        Raises what Kafka answers instead of records, as when they may not be read.
        """
        if (refusal := self._reading[number].refusal) is not None:
            raise refusal
        consumer = self._subscribers[number].consumer
        if consumer is None:
            return {}
        assigned = list(consumer.assignment())
        begins = await consumer.beginning_offsets(assigned)
        ends = await consumer.end_offsets(assigned)
        return {tuple(tp): Range(begins[tp], ends[tp]) for tp in assigned}

    async def show(self, number: int, offsets: Mapping[Partition, int]) -> None:
        """Commit offsets for dashboards of lag. They decide nothing, so a failure does not matter."""
        consumer = self._subscribers[number].consumer
        if consumer is None:
            return
        mine = consumer.assignment()
        shown = {TopicPartition(*tp): offset for tp, offset in offsets.items() if tp in mine}
        if shown:
            with contextlib.suppress(KafkaError):
                await consumer.commit(shown)

    def _subscribe(self, client_id: str, consumption: Consumption, reading: "_Reading") -> Any:
        listener = _SeekToStored(consumption)
        subscriber: Any = self._broker.subscriber(
            *consumption.topics,
            group_id=f"{client_id}.{consumption.name}",
            batch=True,
            session_timeout_ms=_SESSION_MILLISECONDS,
            heartbeat_interval_ms=_SESSION_MILLISECONDS // 3,
            max_partition_fetch_bytes=_FETCH_BYTES,
            # An offset that Kafka no longer holds is an error, never a jump (reliability rule 9).
            auto_offset_reset="none",
            ack_policy=AckPolicy.MANUAL,
            listener=listener,
            no_reply=True,
        )
        listener.consumer = lambda: subscriber.consumer
        # FastStream sleeps after a poll that brought nothing, as long as it has polled: a record that comes
        # meanwhile would wait.
        subscriber.get_msg = reading.next_batch

        # FastStream's own parser and decoder fail before the handler runs, on a header that is no UTF-8 for
        # example, and with AckPolicy.MANUAL such a batch is skipped: ours only hand the records on. They are
        # async, because FastStream gives others a thread each.
        async def parse(records: tuple[Any, ...]) -> KafkaAckableMessage:
            return KafkaAckableMessage(raw_message=records, body=b"", consumer=subscriber.consumer)

        async def decode(message: KafkaAckableMessage) -> object:
            return message.raw_message

        @subscriber(parser=parse, decoder=decode)  # type: ignore[untyped-decorator]
        async def handle(records: Sequence[Any]) -> None:
            consumer = subscriber.consumer
            # In a context of its own: FastStream's holds the batch, and a timer keeps the context that it was
            # set in, asyncpg's for minutes. So a hundred batches were kept in memory.
            handling = consumption.handle(_by_partition(records))
            again = await asyncio.create_task(handling, context=Context())
            # Not nack(): it raises at a partition that went away meanwhile, and leaves the others unread.
            _seek(consumer, again)

        return subscriber


class _SeekToStored(ConsumerRebalanceListener):  # type: ignore[misc]
    consumer: Callable[[], Any]

    def __init__(self, consumption: Consumption) -> None:
        self._consumption = consumption

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing: a batch at hand is finished, and its transaction decides against the next owner's."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        consumer = self.consumer()
        partitions = [tuple(tp) for tp in assigned]
        # At once, before aiokafka looks for a committed offset, finds none and makes FastStream wait 5 s;
        # paused, so that nothing is read from there.
        consumer.pause(*assigned)
        _seek(consumer, dict.fromkeys(partitions, 0))
        offsets = await self._consumption.begin(partitions)
        _seek(consumer, {tp: offsets.get(tp, 0) for tp in partitions})
        consumer.resume(*(assigned & consumer.assignment()))


class _Reading:
    """How one consumer reads, and what Kafka answered it instead of records."""

    refusal: KafkaError | None = None

    async def next_batch(self, consumer: Any) -> tuple[Any, ...]:
        """Return what comes next, as soon as there is anything; in small steps, for the sake of memory."""
        found: list[Any] = []
        size, patience = 0, _POLL_MILLISECONDS
        while len(found) < _MAX_RECORDS and size < _MAX_BYTES:
            try:
                batches = await consumer.getmany(timeout_ms=patience, max_records=_STEP_RECORDS)
            except KafkaError as error:
                # An offset that Kafka does not hold is the consumption's to tell: it compares. FastStream
                # would say nothing and wait for 5 s, for each partition anew; records at hand would be lost.
                self.refusal = None if isinstance(error, OffsetOutOfRangeError) else error
                await asyncio.sleep(_REFUSED_SECONDS)
                break
            self.refusal = None
            if not batches:
                break
            for records in batches.values():
                found += records
                size += sum(record.serialized_value_size for record in records)
            patience = 0
        return tuple(found)


def _seek(consumer: Any, offsets: Mapping[Partition, int]) -> None:
    if consumer is None:
        return
    assigned = consumer.assignment()
    for tp, offset in offsets.items():
        if tp in assigned:
            consumer.seek(TopicPartition(*tp), offset)


def _by_partition(records: Sequence[ConsumerRecord]) -> dict[Partition, list[Incoming]]:
    batches: dict[Partition, list[Incoming]] = {}
    for r in records:
        batches.setdefault((r.topic, r.partition), []).append(
            Incoming(r.topic, r.partition, r.offset, r.key, r.value, r.headers)
        )
    return batches
