"""Which record kills the workers that handle it?

A worker that dies tells nothing, so each says beforehand what it is about to do. Beginning at a place raises
its `begun`, and moving on from there sets it to 0: who finds it raised several times goes on one record at a
time, and raises `deliveries` right before each. The record that is found there with several deliveries has
killed a worker each time.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from portal_eventstore.kafka import Incoming, Partition
from portal_eventstore.parking.sift import WorkerDiedError
from portal_eventstore.view import Parsed

_BEGUN: Final = 3
_DELIVERIES: Final = 3

# A row that another worker's batch holds is moving on: it needs neither the mark nor the wait.
_BEGIN: Final = """
with free as materialized (
    select p.topic, p.partition from projection_position p
    join unnest($2::text[], $3::int[]) as w (topic, partition) using (topic, partition)
    where p.view = $1 and p.edition = $4
    order by p.topic, p.partition for update of p skip locked
)
update projection_position p set begun = least(p.begun + 1, 1000) from free
where p.view = $1 and p.topic = free.topic and p.partition = free.partition
"""
_SUSPECT: Final = """
select p.topic, p.partition from projection_position p
join unnest($2::text[], $3::int[]) as w (topic, partition) using (topic, partition)
where p.view = $1 and (p.begun >= $4 or p.deliveries > 0)
"""
# It must outlive this process, not a crash of the server: it does not wait for the disk.
_DELIVER: Final = """
with impatient as materialized (select set_config('synchronous_commit', 'off', true))
update projection_position set deliveries = least(deliveries + 1, 1000) from impatient
where view = $1 and topic = $2 and partition = $3 and edition = $4 and next_offset <= $5 returning deliveries
"""


class Suspects:
    """The partitions in which one view goes on record by record.

    `alone`: shared by everything in this process that handles records alone, so that the death of the process
    is never counted against a record that happened to be handled beside the one that caused it.
    """

    def __init__(self, view: str, edition: str, alone: asyncio.Lock) -> None:
        self.alone = alone
        self._view = view
        self._edition = edition
        self._partitions: set[Partition] = set()
        self._counted: dict[Partition, tuple[int, int]] = {}

    async def begin(self, connection: Any, partitions: Iterable[Partition]) -> None:
        """Say that a worker begins here, and see which places others began at in vain."""
        pairs = list(partitions)
        columns = [topic for topic, _ in pairs], [partition for _, partition in pairs]
        await connection.execute(_BEGIN, self._view, *columns, self._edition)
        rows = await connection.fetch(_SUSPECT, self._view, *columns, _BEGUN)
        self._partitions = {(row["topic"], row["partition"]) for row in rows}
        self._counted = {}

    def among(self, partitions: Collection[Partition]) -> list[Partition]:
        """Return those that must be gone through record by record."""
        return [tp for tp in partitions if tp in self._partitions]

    def acquit(self, partition: Partition) -> None:
        """Go on in batches: what came at once has been survived."""
        self._partitions.discard(partition)

    async def is_deadly(self, connection: Any, record: Incoming) -> bool:
        """Count that the record is about to be handled; tell whether it was too often before.

        A process counts a record once, however often it tries: only its death would tell against the record.
        """
        partition = record.topic, record.partition
        offset, deliveries = self._counted.get(partition, (-1, 0))
        if offset != record.offset:
            raised = await connection.fetchval(_DELIVER, self._view, *partition, self._edition, record.offset)
            deliveries = raised or 0
            self._counted[partition] = record.offset, deliveries
        return deliveries > _DELIVERIES


def deadly(_: Incoming) -> Parsed[Any]:
    """Read nothing: it may be the reading that kills."""
    raise WorkerDiedError(_DELIVERIES)


def one_by_one(records: Sequence[Incoming], next_offset: int) -> list[Mapping[Partition, Sequence[Incoming]]]:
    """Return a batch for every record that was not seen before."""
    return [{(r.topic, r.partition): [r]} for r in records if r.offset >= next_offset]
