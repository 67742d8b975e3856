"""How does a batch of records change a view exactly once?

The view's rows and its positions are written in one transaction, which begins by moving the positions, and
goes on only if they were where this worker left them; until the commit their rows are locked. Records below
`next_offset` were seen before; an event at or below `last_position` was applied before, from an earlier
record. So redelivery, rebalances, rewinds, a relay's duplicates and workers that should be dead change
nothing.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from portal_eventstore.kafka import Incoming, Partition, Range
from portal_eventstore.view import MalformedRecordError, Parsed, View

_log = logging.getLogger(__name__)

T = TypeVar("T")

_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

_INSERT = """
insert into projection_position (view, topic, partition, edition)
select $1, p.topic, p.partition, $4 from unnest($2::text[], $3::int[]) as p (topic, partition)
on conflict do nothing
"""
_SELECT = """
select p.topic, p.partition, p.next_offset, p.last_position, p.edition
from projection_position p join unnest($2::text[], $3::int[]) as w (topic, partition) using (topic, partition)
where p.view = $1
"""
# Moves each place from where this worker believes it to be, and says how many were there. Rows are locked in
# one order everywhere, so that two workers that both think a partition theirs cannot deadlock. The commit
# does not wait for the disk: a crash of the server may take the last ones back, rows and places together and
# in their order, and what they held is read again.
_MOVE = """
with impatient as materialized (select set_config('synchronous_commit', 'off', true)),
step as materialized (
    select * from unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
        as s (topic, partition, old_offset, old_position, next_offset, last_position)
), held as materialized (
    select p.topic, p.partition from projection_position p join step s using (topic, partition)
    where p.view = $1 and p.edition = $8 and p.next_offset = s.old_offset and p.last_position = s.old_position
    order by p.topic, p.partition for update of p
), moved as (
    update projection_position p set next_offset = s.next_offset, last_position = s.last_position
    from step s join held using (topic, partition)
    where p.view = $1 and p.topic = s.topic and p.partition = s.partition
    returning true
)
select (select count(*) from moved) from impatient
"""


class GapError(Exception):
    """Records are missing between what was applied and what came."""


class OtherEditionError(Exception):
    """The tables are of another edition of the view than this process writes."""


class _MovedMeanwhileError(Exception):
    """Another worker has moved the view on since this one looked."""


class LostOffsetError(Exception):
    """Kafka no longer holds the records that come next."""


class Place(NamedTuple):
    """How far a view has come in one partition."""

    next_offset: int
    last_position: int


@dataclass(frozen=True, slots=True)
class Fresh(Generic[T]):
    """What a partition's batch adds: values to apply, the place afterwards, what stopped the reading."""

    values: list[T]
    place: Place
    stopped: MalformedRecordError | None = None


def already_applied(position: int | None, last_position: int) -> bool:
    """Tell whether an earlier record brought this event: positions rise within a partition."""
    return position is not None and position <= last_position


def fresh(records: Iterable[Incoming], place: Place, parse: Callable[[Incoming], Parsed[T]]) -> Fresh[T]:
    """Drop what was seen and read the rest, up to the first record that cannot be read."""
    next_offset, last_position = place
    values: list[T] = []
    for record in records:
        if record.offset < next_offset:
            continue
        try:
            position, value = parse(record)
        except MalformedRecordError as error:
            return Fresh(values, Place(next_offset, last_position), error)
        next_offset = record.offset + 1
        if already_applied(position, last_position):
            continue
        if position is not None:
            last_position = position
        if value is not None:
            values.append(value)
    return Fresh(values, Place(next_offset, last_position))


class ViewConsumption(Generic[T]):
    """Feeds one view, as kafka.Consumption."""

    def __init__(self, pool: Any, view: View[T]) -> None:
        """Keep `view` in the pool's database."""
        self.name = view.name
        self.topics = view.topics
        self.places: dict[Partition, Place] = {}
        self._pool = pool
        self._view = view
        self._failures = 0
        self._problem: str | None = None
        self._lost: str | None = None
        self._gaps: set[tuple[Partition, int]] = set()

    def problems(self) -> list[str]:
        """Say what keeps the view from going on."""
        return [f"view {self.name}: {p}" for p in (self._lost, self._problem) if p is not None]

    async def begin(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """Return the stored offsets, 0 where nothing was stored. Waits for the database: it decides."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    places = await self._places(connection, partitions)
            except Exception as error:  # noqa: BLE001  without the stored offsets nothing may be read
                await self._failed(error)
            else:
                self._succeeded()
                self.places = places
                return {tp: place.next_offset for tp, place in self.places.items()}

    async def handle(self, batches: Mapping[Partition, Sequence[Incoming]]) -> Mapping[Partition, int]:
        """Apply batches in one transaction; on an error wait, and say where to read again."""
        again = {tp: records[0].offset for tp, records in batches.items()}
        try:
            await self._apply(batches)
        except Exception as error:  # noqa: BLE001  the edge: whatever it is, the batch is read again
            again |= {tp: place.next_offset for tp, place in self.places.items() if tp in again}
            await self._failed(error)
            return again
        self._succeeded()
        return {}

    def check(self, ranges: Mapping[Partition, Range]) -> None:
        """Stop the view when Kafka no longer holds what comes next; nothing is skipped."""
        for (topic, partition), (begin, end) in ranges.items():
            place = self.places.get((topic, partition))
            if place is not None and not begin <= place.next_offset <= end:
                self._lost = (
                    f"stopped: {topic}/{partition} goes on at offset {place.next_offset}, "
                    f"but Kafka holds {begin} to {end}; the view must be rebuilt"
                )
                _log.error("view %s: %s", self.name, self._lost)

    async def _apply(self, batches: Mapping[Partition, Sequence[Incoming]]) -> None:
        if self._lost is not None:
            raise LostOffsetError
        places = {tp: self.places[tp] for tp in batches if tp in self.places}
        if len(places) < len(batches) or _gaps(batches, places):
            places = await self._stored(batches)
        while True:
            try:
                await self._apply_after(places, batches)
            except _MovedMeanwhileError:
                places = await self._stored(batches)
            else:
                return

    async def _apply_after(
        self, places: Mapping[Partition, Place], batches: Mapping[Partition, Sequence[Incoming]]
    ) -> None:
        """Apply what is new; raises _MovedMeanwhileError, and changes no row, if the view is not there."""
        values: list[T] = []
        moved: dict[Partition, Place] = {}
        stopped: list[MalformedRecordError] = []
        for tp, records in batches.items():
            new = fresh(records, places[tp], self._view.parse)
            values += new.values
            if new.place != places[tp]:
                moved[tp] = new.place
            if new.stopped is not None:
                stopped.append(new.stopped)
        if moved:
            await self._write(values, places, moved)
        self.places.update(moved)
        if stopped:
            raise stopped[0]

    async def _write(
        self, values: Sequence[T], places: Mapping[Partition, Place], moved: Mapping[Partition, Place]
    ) -> None:
        async with self._pool.acquire() as connection:
            if not values:
                await self._move(connection, places, moved)
                return
            # The lock's second look at the row needs READ COMMITTED, whatever the server's default is.
            async with connection.transaction(isolation="read_committed"):
                await self._move(connection, places, moved)
                await self._view.apply(connection, values)

    async def _move(
        self, connection: Any, places: Mapping[Partition, Place], moved: Mapping[Partition, Place]
    ) -> None:
        old, new = [places[tp] for tp in moved], list(moved.values())
        count: int = await connection.fetchval(
            _MOVE,
            self.name,
            *_columns(moved),
            [place.next_offset for place in old],
            [place.last_position for place in old],
            [place.next_offset for place in new],
            [place.last_position for place in new],
            self._view.edition,
        )
        if count < len(moved):
            raise _MovedMeanwhileError

    async def _stored(self, batches: Mapping[Partition, Sequence[Incoming]]) -> dict[Partition, Place]:
        async with self._pool.acquire() as connection:
            places = await self._places(connection, batches)
        self.places.update(places)
        self._refuse_gaps(batches, places)
        return places

    async def _places(self, connection: Any, partitions: Iterable[Partition]) -> dict[Partition, Place]:
        columns = _columns(partitions)
        await connection.execute(_INSERT, self.name, *columns, self._view.edition)
        rows = await connection.fetch(_SELECT, self.name, *columns)
        if any(row["edition"] != self._view.edition for row in rows):
            raise OtherEditionError
        return {
            (row["topic"], row["partition"]): Place(row["next_offset"], row["last_position"]) for row in rows
        }

    def _refuse_gaps(
        self, batches: Mapping[Partition, Sequence[Incoming]], places: Mapping[Partition, Place]
    ) -> None:
        """Read again, once, where records seem to be missing.

        A client that lost a batch comes back with it; a hole that Kafka itself has, by compaction, stays.
        """
        gaps = _gaps(batches, places)
        if gaps - self._gaps:
            self._gaps = gaps
            raise GapError

    def _succeeded(self) -> None:
        self._failures = 0
        self._problem = None

    async def _failed(self, error: Exception) -> None:
        if isinstance(error, GapError):
            _log.info("view %s: reads again what is missing", self.name)
            return
        if not isinstance(error, LostOffsetError):
            # An error's text may quote a row, and so a person: only its kind and place are told.
            why = str(error) if isinstance(error, MalformedRecordError) else _kind(error)
            self._problem = f"cannot apply a batch ({why}), tried {self._failures + 1} times"
            _log.warning("view %s: %s", self.name, self._problem)
        await asyncio.sleep(min(_SHORTEST_PAUSE * 2 ** min(self._failures, 10), _LONGEST_PAUSE))
        self._failures += 1


def _gaps(
    batches: Mapping[Partition, Sequence[Incoming]], places: Mapping[Partition, Place]
) -> set[tuple[Partition, int]]:
    return {
        (tp, places[tp].next_offset)
        for tp, records in batches.items()
        if records[0].offset > places[tp].next_offset
    }


def _columns(partitions: Iterable[Partition]) -> tuple[list[str], list[int]]:
    pairs = list(partitions)
    return [topic for topic, _ in pairs], [partition for _, partition in pairs]


def _kind(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
