"""What does a topic hold of its owner's log, in the order in which it was written?

Partitions are read side by side and merged by position; what a relay sent twice is counted and left out.
"""

from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import NamedTuple

from portal_events.cloudevents import RecordMalformedError, from_record
from portal_events.stored import StoredEvent
from portal_eventstore.history import read
from portal_eventstore.kafka import Incoming, Partition, Range


class Item(NamedTuple):
    """An event and where its first record stands."""

    stored: StoredEvent
    record: Incoming


class LogInOrder:
    """One pass over a topic. What was found beside events is told when it has ended."""

    def __init__(self, bootstrap_servers: str, owner: str, ranges: Mapping[Partition, Range]) -> None:
        """Read these offsets."""
        self._servers = bootstrap_servers
        self.owner = owner
        self._ranges = ranges
        self.duplicates = 0
        self.unreadable: list[str] = []
        """The places of records that are no event of the owner's."""
        self.contradicting: list[int] = []
        """Positions at which the topic holds two different events."""
        self.last: dict[int, int] = {}
        """The highest position of each partition, so far."""

    async def batches(self) -> AsyncGenerator[list[Item], None]:
        """Yield every event once, by position, some thousands at a time."""
        async with AsyncExitStack() as stack:
            lanes = []
            for (topic, partition), (begin, end) in self._ranges.items():
                records = read(self._servers, topic, partition, begin, end)
                await stack.enter_async_context(aclosing(records))
                lanes.append(_Lane(self, partition, records))
            open_lanes = [lane for lane in lanes if await lane.fill()]
            while open_lanes:
                # Nothing below the lowest of what each lane ends with can come any more.
                horizon = min(lane.items[-1].stored.position for lane in open_lanes)
                found: list[Item] = []
                for lane in open_lanes:
                    while lane.items and lane.items[0].stored.position <= horizon:
                        found.append(lane.items.popleft())
                found.sort(key=lambda item: item.stored.position)
                if found:
                    yield self._once(found)
                open_lanes = [lane for lane in open_lanes if lane.items or await lane.fill()]

    def first(self, record: Incoming) -> Item | None:
        """Read a record; None where it is no event, or stood there before."""
        try:
            stored = from_record(record.topic, record.key, record.value, record.headers)
        except RecordMalformedError:
            stored = None
        if stored is None or stored.owner != self.owner:
            self.unreadable.append(f"{record.topic}/{record.partition}@{record.offset}")
            return None
        if stored.position <= self.last.get(record.partition, 0):
            self.duplicates += 1
            return None
        self.last[record.partition] = stored.position
        return Item(stored, record)

    def _once(self, items: list[Item]) -> list[Item]:
        kept: list[Item] = []
        for item in items:
            if kept and kept[-1].stored.position == item.stored.position:
                self.contradicting.append(item.stored.position)
            else:
                kept.append(item)
        return kept


class _Lane:
    """What was read ahead of one partition."""

    def __init__(
        self, log: LogInOrder, partition: int, records: AsyncGenerator[list[Incoming], None]
    ) -> None:
        self.partition = partition
        self.items: deque[Item] = deque()
        self._log = log
        self._records = records

    async def fill(self) -> bool:
        """Read on until there is an event; tell whether there is one."""
        while not self.items:
            try:
                records = await anext(self._records)
            except StopAsyncIteration:
                return False
            self.items.extend(item for record in records if (item := self._log.first(record)) is not None)
        return True
