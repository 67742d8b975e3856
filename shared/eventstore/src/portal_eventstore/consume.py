"""How does a batch of records change a view exactly once?

The view's rows and its positions are written in one transaction, which begins by moving the positions, and
goes on only if they were where this worker left them; until the commit their rows are locked. Records below
`next_offset` were seen before; an event at or below `last_position` was applied before, from an earlier
record. So redelivery, rebalances, rewinds, a relay's duplicates and workers that should be dead change
nothing. What cannot be applied is parked in that same transaction (parking/).
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from portal_eventstore.kafka import Incoming, Partition, Range
from portal_eventstore.parking.blame import Blame, blame, kind
from portal_eventstore.parking.envelope import envelope
from portal_eventstore.parking.parked import without_discarded
from portal_eventstore.parking.sift import (
    CannotApplyError,
    Entry,
    ViewAtFaultError,
    apply_values,
    cause,
    sift,
)
from portal_eventstore.parking.suspects import Suspects, deadly, one_by_one
from portal_eventstore.view import MalformedRecordError, Parsed, View

_log = logging.getLogger(__name__)

T = TypeVar("T")

_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_PAUSE_AT_FAULT = 30.0
"""To find that nothing can be applied takes as many attempts as there are events."""

# A place that was taken away leaves what is parked behind: that waits on.
_INSERT = """
insert into projection_position (view, topic, partition, edition, parked)
select $1, w.topic, w.partition, $4, (
    select count(*) from parked p
    where p.view = $1 and p.topic = w.topic and p.partition = w.partition and p.status = 'waiting'
)
from unnest($2::text[], $3::int[]) as w (topic, partition)
on conflict do nothing
"""
_SELECT = """
select p.topic, p.partition, p.next_offset, p.last_position, p.edition
from projection_position p join unnest($2::text[], $3::int[]) as w (topic, partition) using (topic, partition)
where p.view = $1
"""
# Moves each place from where this worker believes it to be, and says how many were there. Rows are locked in
# one order everywhere, so that two workers that both think a partition theirs cannot deadlock. Says, too,
# whether records of these partitions wait in `parked`: the row is locked, so that stays true. The commit does
# not wait for the disk: a crash of the server may take the last ones back, rows and places together and in
# their order, and what they held is read again.
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
    update projection_position p
    set next_offset = s.next_offset, last_position = s.last_position, begun = 0, deliveries = 0
    from step s join held using (topic, partition)
    where p.view = $1 and p.topic = s.topic and p.partition = s.partition
    returning p.parked > 0 as holds
)
select (select count(*) from moved), (select coalesce(bool_or(holds), false) from moved) from impatient
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
    """What a partition's batch adds: values to apply, each with its record, and the place afterwards.

    `unreadable` are put aside; `stopped` is what the reading ended at, where nothing is put aside.
    """

    values: list[T]
    records: list[Incoming]
    place: Place
    unreadable: list[Entry[T]]
    stopped: MalformedRecordError | None = None


def already_applied(position: int | None, last_position: int) -> bool:
    """Tell whether an earlier record brought this event: positions rise within a partition."""
    return position is not None and position <= last_position


def fresh(
    records: Iterable[Incoming],
    place: Place,
    parse: Callable[[Incoming], Parsed[T]],
    *,
    parks: bool = False,
) -> Fresh[T]:
    """Drop what was seen and read the rest; unless it `parks`, up to the first that cannot be read."""
    next_offset, last_position = place
    values: list[T] = []
    valued: list[Incoming] = []
    unreadable: list[Entry[T]] = []
    for record in records:
        if record.offset < next_offset:
            continue
        try:
            position, value = parse(record)
        except MalformedRecordError as error:
            if not parks:
                return Fresh(values, valued, Place(next_offset, last_position), unreadable, error)
            known = envelope(record)
            # Only a sound envelope's: a position made up by damage would hide all that comes below it.
            position, value = known.position if known.sound else None, None
            if not already_applied(position, last_position):
                unreadable.append(Entry(record, None, error))
        next_offset = record.offset + 1
        if already_applied(position, last_position):
            continue
        if position is not None:
            last_position = position
        if value is not None:
            values.append(value)
            valued.append(record)
    return Fresh(values, valued, Place(next_offset, last_position), unreadable)


@dataclass(frozen=True, slots=True)
class _Batch(Generic[T]):
    """What the batches of several partitions add."""

    values: list[T] = field(default_factory=list)
    records: list[Incoming] = field(default_factory=list)
    unreadable: list[Entry[T]] = field(default_factory=list)
    moved: dict[Partition, Place] = field(default_factory=dict)

    def entries(self) -> list[Entry[T]]:
        """Return each record that says something, in order within its partition."""
        read = [Entry(record, value) for record, value in zip(self.records, self.values, strict=True)]
        return sorted([*read, *self.unreadable], key=lambda entry: entry.record[:3])


class ViewConsumption(Generic[T]):
    """Feeds one view, as kafka.Consumption."""

    def __init__(self, pool: Any, view: View[T], alone: asyncio.Lock | None = None) -> None:
        """Keep `view` in the pool's database. `alone` is shared by all views of a process (suspects.py)."""
        self.name = view.name
        self.topics = view.topics
        self.places: dict[Partition, Place] = {}
        self._pool = pool
        self._view = view
        self._failures = 0
        self._problem: str | None = None
        self._lost: str | None = None
        self._gaps: set[tuple[Partition, int]] = set()
        self._suspects = Suspects(view.name, view.edition, alone or asyncio.Lock())
        self._failing: set[Hashable] = set()
        self._parse = view.parse

    def problems(self) -> list[str]:
        """Say what keeps the view from going on."""
        return [f"view {self.name}: {p}" for p in (self._lost, self._problem) if p is not None]

    async def begin(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """Return the stored offsets, 0 where nothing was stored. Waits for the database: it decides."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    places = await self._places(connection, partitions)
                    if self._view.parks:
                        await self._suspects.begin(connection, places)
            except Exception as error:  # noqa: BLE001  without the stored offsets nothing may be read
                await self._failed(error)
            else:
                self._succeeded()
                self.places = places
                return {tp: place.next_offset for tp, place in self.places.items()}

    async def handle(self, batches: Mapping[Partition, Sequence[Incoming]]) -> Mapping[Partition, int]:
        """Apply batches, together if nothing is suspected; on an error wait, and say where to read again."""
        again = {tp: records[0].offset for tp, records in batches.items()}
        try:
            await self._apply(batches)
        except Exception as error:  # noqa: BLE001  the edge: whatever it is, the batch is read again
            again |= {tp: place.next_offset for tp, place in self.places.items() if tp in again}
            await self._failed(error)
            return again
        self._succeeded()
        return {}

    def check(self, places: Mapping[Partition, Place], ranges: Mapping[Partition, Range]) -> None:
        """Stop the view when Kafka no longer holds what comes next; nothing is skipped.

        `places` are those before Kafka was asked: what came since lies beyond its answer.
        """
        for (topic, partition), (begin, end) in ranges.items():
            place = places.get((topic, partition))
            if place is not None and not begin <= place.next_offset <= end:
                self._lost = (
                    f"stopped: {topic}/{partition} goes on at offset {place.next_offset}, "
                    f"but Kafka holds {begin} to {end}; the view must be rebuilt"
                )
                _log.error("view %s: %s", self.name, self._lost)

    async def _apply(self, batches: Mapping[Partition, Sequence[Incoming]]) -> None:
        if self._lost is not None:
            raise LostOffsetError
        suspicious = self._suspects.among(batches)
        if rest := {tp: records for tp, records in batches.items() if tp not in suspicious}:
            await self._apply_together(rest, self._parse)
        for tp in suspicious:
            await self._apply_one_by_one(tp, batches[tp])

    async def _apply_one_by_one(self, tp: Partition, records: Sequence[Incoming]) -> None:
        for batch in one_by_one(records, self.places[tp].next_offset):
            async with self._suspects.alone:
                async with self._pool.acquire() as connection:
                    is_deadly = await self._suspects.is_deadly(connection, batch[tp][0])
                await self._apply_together(batch, deadly if is_deadly else self._parse)
        self._suspects.acquit(tp)

    async def _apply_together(
        self,
        batches: Mapping[Partition, Sequence[Incoming]],
        parse: Callable[[Incoming], Parsed[T]],
    ) -> None:
        places = {tp: self.places[tp] for tp in batches if tp in self.places}
        if len(places) < len(batches) or _gaps(batches, places):
            places = await self._stored(batches)
        while True:
            try:
                await self._apply_after(places, batches, parse)
            except _MovedMeanwhileError:
                places = await self._stored(batches)
            else:
                return

    async def _apply_after(
        self,
        places: Mapping[Partition, Place],
        batches: Mapping[Partition, Sequence[Incoming]],
        parse: Callable[[Incoming], Parsed[T]],
    ) -> None:
        """Apply what is new; raises _MovedMeanwhileError, and changes no row, if the view is not there."""
        batch: _Batch[T] = _Batch()
        stopped: list[MalformedRecordError] = []
        for tp, records in batches.items():
            new = fresh(records, places[tp], parse, parks=self._view.parks)
            batch.values.extend(new.values)
            batch.records.extend(new.records)
            batch.unreadable.extend(new.unreadable)
            if new.place != places[tp]:
                batch.moved[tp] = new.place
            if new.stopped is not None:
                stopped.append(new.stopped)
        if batch.moved:
            try:
                await self._write(batch, places, one_fails=bool(batch.unreadable))
            except CannotApplyError as error:
                if not self._view.parks:
                    raise cause(error) from None
                await self._write(batch, places, one_fails=True)
        self.places.update(batch.moved)
        if stopped:
            # An operator may have given up what it stopped at: known by the next attempt.
            self._parse = await without_discarded(self._pool, self._view)
            raise stopped[0]

    async def _write(self, batch: _Batch[T], places: Mapping[Partition, Place], *, one_fails: bool) -> None:
        async with self._pool.acquire() as connection:
            if not batch.values and not batch.unreadable:
                await self._move(connection, places, batch.moved)
                return
            # The lock's second look at the row needs READ COMMITTED, whatever the server's default is.
            async with connection.transaction(isolation="read_committed"):
                some_wait = await self._move(connection, places, batch.moved)
                if some_wait or one_fails:
                    sifted = await sift(connection, self._view, batch.entries(), self._failing)
                else:
                    sifted = None
                    await apply_values(self._view, connection, batch.values)
        if sifted is None:
            self._failing.clear()
        elif sifted.parked:
            _log.warning(
                "view %s: parked %d records, %d of them behind others",
                self.name,
                sifted.parked,
                sifted.behind,
            )

    async def _move(
        self, connection: Any, places: Mapping[Partition, Place], moved: Mapping[Partition, Place]
    ) -> bool:
        """Move the places; return whether records of these partitions are parked and wait."""
        old, new = [places[tp] for tp in moved], list(moved.values())
        count, some_wait = await connection.fetchrow(
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
        return bool(some_wait)

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
            self._problem = self._explained(error)
            _log.warning("view %s: %s", self.name, self._problem)
        longest = _PAUSE_AT_FAULT if isinstance(error, ViewAtFaultError) else _LONGEST_PAUSE
        await asyncio.sleep(min(_SHORTEST_PAUSE * 2 ** min(self._failures, 10), longest))
        self._failures += 1

    def _explained(self, error: Exception) -> str:
        # An error's text may quote a row, and so a person: only what is our own is told whole.
        if isinstance(error, OtherEditionError):
            return "not followed: its tables are of another edition than this process writes"
        if isinstance(error, ViewAtFaultError):
            return str(error)
        why = str(error) if isinstance(error, MalformedRecordError) else kind(error)
        match blame(error):
            case Blame.CODE:
                return f"stopped: its tables are not what its statements ask for ({why})"
            case Blame.EVENT if not self._view.parks:
                return f"stopped: a record cannot be applied, and it keeps none aside ({why})"
            case _:
                return f"cannot apply a batch ({why}), tried {self._failures + 1} times"


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
