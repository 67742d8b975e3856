"""Which events were read from the store but not yet acknowledged by Kafka, and how far may `published` move?

Pure bookkeeping. Within a partition events leave from the front, in order; over all partitions `published` is
the position below the lowest that is still waiting.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from portal_eventstore.kafka import Outgoing


class Waiting(NamedTuple):
    """One event on its way."""

    position: int
    record: Outgoing


class Unacknowledged:
    """Events in order of position, by partition."""

    def __init__(self, published: int) -> None:
        """Begin above `published`."""
        self._lanes: dict[int, deque[Waiting]] = {}
        self._size = 0
        self.bytes = 0
        self.read = published

    def __len__(self) -> int:
        """Count the events that wait."""
        return self._size

    def add(self, partition: int, waiting: Waiting) -> None:
        """Take the next event of the store."""
        if waiting.position <= self.read:
            raise ValueError(f"position {waiting.position} after {self.read}: the store is read in order")
        self._lanes.setdefault(partition, deque()).append(waiting)
        self._size += 1
        self.bytes += len(waiting.record.value or b"")
        self.read = waiting.position

    def partitions(self) -> list[int]:
        """Return the partitions that have events waiting."""
        return [partition for partition, lane in self._lanes.items() if lane]

    def first(self, partition: int, limit: int) -> Iterator[Outgoing]:
        """Return the records at the front of a partition."""
        return (waiting.record for waiting in islice(self._lanes.get(partition, ()), limit))

    def acknowledge(self, partition: int, count: int) -> None:
        """Forget the first `count` events of a partition: Kafka has them."""
        lane = self._lanes[partition]
        for _ in range(count):
            self.bytes -= len(lane.popleft().record.value or b"")
        self._size -= count

    def published(self) -> int:
        """Return the highest position below which nothing waits."""
        return min((lane[0].position - 1 for lane in self._lanes.values() if lane), default=self.read)
