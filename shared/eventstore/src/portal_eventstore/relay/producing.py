"""How do waiting records reach Kafka without overtaking each other?

At most one batch a partition is on its way. A failed one blocks its partition until a new producer has sent
it; the other partitions go on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from portal_eventstore.kafka import PublishError
from portal_eventstore.relay.unacknowledged import Unacknowledged

_log = logging.getLogger(__name__)

_BATCH_EVENTS = 1_000
_SLOW_SECONDS = 2.0
_DRAIN_SECONDS = 2.0
_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class Publishes(Protocol):
    """What the relay needs of a producer."""

    async def partitions(self, topic: str) -> int:
        """Return how many partitions `topic` has."""
        ...

    async def publish(self, topic: str, partition: int, records: Any) -> int:
        """Publish the first of `records` as one batch; return how many, once acknowledged."""
        ...

    async def close(self) -> None:
        """Give up what is not acknowledged."""
        ...


class Producing:
    """Sends what waits: at most one batch a partition is on its way, and a failed one blocks it."""

    def __init__(
        self, topic: str, waiting: Unacknowledged, connect: Callable[[], Awaitable[Publishes]]
    ) -> None:
        self.wake = asyncio.Event()
        self.partitions: int | None = None
        self.failed = 0
        """How many attempts to reach Kafka or to publish have failed."""
        self._topic = topic
        self._waiting = waiting
        self._connect = connect
        self._producer: Publishes | None = None
        self._sending: dict[int, tuple[asyncio.Task[None], float]] = {}
        self._blocked: set[int] = set()
        self._failures: dict[int, str] = {}
        self._unreachable: str | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._pause = _SHORTEST_PAUSE
        self._connect_soon(0.0)

    def pump(self) -> None:
        """Send from every partition that has events waiting and none on their way."""
        if self._producer is None:
            return
        now = asyncio.get_running_loop().time()
        for partition in self._waiting.partitions():
            if may_send(partition, self._sending, self._blocked):
                task = asyncio.create_task(self._send(self._producer, partition))
                self._sending[partition] = (task, now)

    def problems(self) -> list[str]:
        """Say what is wrong with Kafka."""
        if self._unreachable is not None:
            return [self._unreachable]
        now = asyncio.get_running_loop().time()
        slow = [p for p, (_, since) in self._sending.items() if now - since > _SLOW_SECONDS]
        found = [f"partition {p} of {self._topic} is blocked ({why})" for p, why in self._failures.items()]
        if slow:
            found.append(f"Kafka does not acknowledge partitions {sorted(slow)} of {self._topic}")
        return found

    async def close(self) -> None:
        """Give up what is on its way: it counts as not published."""
        tasks = [task for task, _ in self._sending.values()]
        tasks += [] if self._connecting is None else [self._connecting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._producer is not None:
            await self._producer.close()

    async def _send(self, producer: Publishes, partition: int) -> None:
        try:
            count = await producer.publish(
                self._topic, partition, self._waiting.first(partition, _BATCH_EVENTS)
            )
        except Exception as error:  # noqa: BLE001  whatever it is: the partition is blocked and the relay says so
            self._failed(producer, partition, error)
        else:
            self._waiting.acknowledge(partition, count)
            self._failures.pop(partition, None)
            self._pause = _SHORTEST_PAUSE
        del self._sending[partition]
        self.pump()
        self.wake.set()

    def _failed(self, producer: Publishes, partition: int, error: Exception) -> None:
        if producer is not self._producer:
            # It was replaced meanwhile: the same events go to the new one.
            return
        self.failed += 1
        why = _reason(error)
        _log.warning("partition %d of %s is blocked: %s", partition, self._topic, why)
        self._failures[partition] = why
        self._blocked.add(partition)
        # The other partitions go on with this producer until the new one is there.
        self._connect_soon(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _connect_soon(self, pause: float) -> None:
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._replace(pause))

    async def _replace(self, pause: float) -> None:
        """Make a new producer, until that works; what an old one left unacknowledged is sent again."""
        while True:
            await asyncio.sleep(pause)
            try:
                producer, partitions = await self._connected()
                break
            except Exception as error:  # noqa: BLE001  whatever it is, it is told and tried again
                self.failed += 1
                self._unreachable = f"Kafka cannot be reached ({_reason(error)})"
                _log.warning("%s: %s", self._topic, self._unreachable)
            pause = min(max(2 * pause, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        old, self._producer, self.partitions = self._producer, producer, partitions
        self._unreachable = None
        self._blocked.clear()
        if old is not None:
            closing = asyncio.create_task(self._retire(old))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self.pump()
        self.wake.set()

    async def _connected(self) -> tuple[Publishes, int]:
        producer = await self._connect()
        try:
            return producer, await producer.partitions(self._topic)
        except BaseException:
            await producer.close()
            raise

    async def _retire(self, producer: Publishes) -> None:
        """Close a producer once nothing is on its way with it; what hangs goes to the new one."""
        tasks = [task for task, _ in self._sending.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=_DRAIN_SECONDS)
        await producer.close()


def may_send(partition: int, sending: Any, blocked: Any) -> bool:
    """Tell whether nothing of the partition is on its way or has failed: the next must not overtake it."""
    return partition not in sending and partition not in blocked


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, PublishError) else type(error).__name__
