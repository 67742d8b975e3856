"""How does a build catch up with what was published after its fence, to one exact place after another?

Without a consumer group: nobody else reads for a build, and it is read from its own places on, never beyond
what it was told.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from portal_eventstore.consume import ViewConsumption
from portal_eventstore.history import fences, read
from portal_eventstore.kafka import Incoming, Partition
from portal_eventstore.rebuild.build import Build, RebuildError

_TRIES = 5
"""How often a batch is tried again before the rebuild gives up."""
_READ_AT_ONCE = 4


class Following:
    """The build's own consumption, and how far it has read."""

    def __init__(self, build: Build) -> None:
        """Go on from the build's places."""
        self._build = build
        self._consumption: ViewConsumption[Any] = ViewConsumption(build.pool, build.view)
        # Compaction may leave no record between a place and the end that was read.
        self._read: dict[Partition, int] = {}
        self._reading = asyncio.Semaphore(_READ_AT_ONCE)
        self._writing = asyncio.Lock()

    @property
    def partitions(self) -> list[Partition]:
        """Those that the build has a place in."""
        return list(self._consumption.places)

    def place(self, partition: Partition) -> int:
        """Return the offset of the next record to be applied."""
        place = self._consumption.places.get(partition)
        return 0 if place is None else place.next_offset

    async def begin(self) -> None:
        """Take up the stored places of all partitions that there are now."""
        await self._consumption.begin(list(await ends(self._build)))

    async def to(self, goals: Mapping[Partition, int]) -> int:
        """Apply what lies before `goals`, an offset a partition; return how many records that were."""
        if new := [tp for tp in goals if tp not in self._consumption.places]:
            known = dict(self._consumption.places)
            await self._consumption.begin(new)
            self._consumption.places = {**known, **self._consumption.places}
        behind = [tp for tp, goal in goals.items() if self._from(tp) < goal]
        async with asyncio.TaskGroup() as group:
            counts = [group.create_task(self._one_to(tp, goals[tp])) for tp in behind]
        return sum(count.result() for count in counts)

    def _from(self, tp: Partition) -> int:
        return max(self.place(tp), self._read.get(tp, 0))

    async def _one_to(self, tp: Partition, goal: int) -> int:
        count = 0
        tries = 0
        async with self._reading:
            while (start := self._from(tp)) < goal:
                again = False
                async with aclosing(read(self._build.bootstrap_servers, *tp, start, goal)) as batches:
                    async for records in batches:
                        if again := not await self._apply(tp, records):
                            break
                        count += len(records)
                        tries = 0
                if not again:
                    self._read[tp] = goal
                elif (tries := tries + 1) > _TRIES:
                    raise RebuildError(f"{'; '.join(self._consumption.problems()) or self._build.name}.")
        return count

    async def _apply(self, tp: Partition, records: list[Incoming]) -> bool:
        async with self._writing:
            again = await self._consumption.handle({tp: records})
        if again:
            await self._build.phase()  # raises where the build is gone
            return False
        await self._build.read(len(records))
        return True


async def ends(build: Build) -> dict[Partition, int]:
    """Return where the view's topics end now."""
    found: dict[Partition, int] = {}
    for topic in build.view.topics:
        found |= {tp: held.end for tp, held in (await fences(build.bootstrap_servers, topic)).items()}
    return found
