"""Which records of a batch cannot be applied, and what becomes of them?

They go to the table `parked`, and with them every later record of their keys, which waits behind; all others
are applied. It happens in the transaction that moves the view past them all. Whether a key's records wait,
the table alone knows: no worker remembers it.
"""

import dataclasses
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from portal_eventstore.kafka import Incoming
from portal_eventstore.parking.blame import Blame, blame, kind, stack
from portal_eventstore.parking.envelope import envelope
from portal_eventstore.view import MalformedRecordError, View

T = TypeVar("T")

BREAKER_KEYS: Final = 20
"""When so many keys' events fail and not one event can be applied, the view is at fault, not the events."""

Lane: TypeAlias = tuple[str, int, bytes]
"""Topic, partition and key: what is applied in order."""

# Records that wait hold their lanes.
_HELD: Final = """
select distinct on (p.topic, p.partition, p.key) p.topic, p.partition, p.key, p.number
from unnest($2::text[], $3::int[], $4::bytea[]) as w (topic, partition, key)
join parked p on p.view = $1 and p.topic = w.topic and p.partition = w.partition
    and md5(p.key) = md5(w.key) and p.key = w.key
where p.status = 'waiting' order by p.topic, p.partition, p.key, p.record_offset
"""
# What of a batch was parked before: places fall back when a view's tables are made anew.
_BEFORE: Final = """
select p.number, p.topic, p.partition, p.record_offset, p.status from parked p
join unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) as w (topic, partition, first, last)
    on p.view = $1 and p.topic = w.topic and p.partition = w.partition
    and p.record_offset between w.first and w.last
"""
_TWICE: Final = "select topic, event_id from parked where view = $1 and event_id = any ($2::uuid[])"
_NUMBERS: Final = "select nextval(pg_get_serial_sequence('parked', 'number')) from generate_series(1, $1)"
_ANEW: Final = "delete from parked where number = any ($1::bigint[])"
_COUNT: Final = """
update projection_position p set parked = p.parked + w.count
from unnest($2::text[], $3::int[], $4::bigint[]) as w (topic, partition, count)
where p.view = $1 and p.topic = w.topic and p.partition = w.partition
"""
_COLUMNS: Final = (
    *("number", "view", "topic", "partition", "record_offset", "position", "event_id", "type"),
    *("key", "value", "header_names", "header_values", "reason", "stack", "deliveries", "behind"),
)


class CannotApplyError(Exception):
    """A view refuses values for a reason that is their own; the cause tells it."""


class ViewAtFaultError(Exception):
    """Nothing at all can be applied. The message is told to operators."""


class WorkerDiedError(MalformedRecordError):
    """Whoever handled the record alone died of it, `deliveries` times."""

    def __init__(self, deliveries: int) -> None:
        super().__init__(f"not handled: its worker died of it {deliveries} times")
        self.deliveries = deliveries


@dataclasses.dataclass(eq=False, slots=True)
class Entry(Generic[T]):
    """One record, its value where it could be read, and why it could not be read or applied."""

    record: Incoming
    value: T | None
    error: Exception | None = None

    @property
    def lane(self) -> Lane | None:
        """Return what it must stay in order with; a record without a key stands alone."""
        key = self.record.key
        return None if key is None else (self.record.topic, self.record.partition, key)


class Sifted(NamedTuple):
    """How many values were applied, and records parked; how many of those merely wait behind."""

    applied: int
    parked: int
    behind: int


async def apply_values(view: View[T], connection: Any, values: Sequence[T]) -> None:
    """Apply values; raises CannotApplyError where the fault is theirs, elsewhere what was raised."""
    try:
        await view.apply(connection, values)
    except Exception as error:
        if blame(error) is not Blame.EVENT:
            raise
        raise CannotApplyError from error


async def sift(connection: Any, view: View[T], entries: Sequence[Entry[T]], failing: set[Hashable]) -> Sifted:
    """Apply what can be applied, and park the rest, inside the transaction that has moved the places.

    `failing`: what has failed since anything was applied last; it is added to.
    """
    sieve = _Sieve(connection, view, await _unknown(connection, view.name, entries))
    await sieve.look_up_held()
    await sieve.apply(sieve.entries)
    culprits = [entry for entry in sieve.entries if entry.error is not None]
    if sieve.applied:
        failing.clear()
    elif culprits:
        failing |= {entry.lane or entry.record[:3] for entry in culprits}
        if len(failing) >= BREAKER_KEYS:
            raise ViewAtFaultError(
                f"stopped: not one event of {len(failing)} keys can be applied ({_reason(culprits[0])}); "
                "the view is at fault, not the events, and nothing was parked"
            )
    return await sieve.park()


class _Sieve(Generic[T]):
    def __init__(self, connection: Any, view: View[T], entries: list[Entry[T]]) -> None:
        self.entries = entries
        self.applied = 0
        self._connection = connection
        self._view = view
        self._order = {id(entry): number for number, entry in enumerate(entries)}
        self._held: dict[Lane, int] = {}
        # From where on in the batch each lane waits.
        self._waits_from: dict[Lane, int] = {}

    async def look_up_held(self) -> None:
        lanes = {entry.lane for entry in self.entries if entry.lane is not None}
        if lanes:
            rows = await self._connection.fetch(_HELD, self._view.name, *map(list, zip(*lanes, strict=True)))
            self._held = {(row["topic"], row["partition"], row["key"]): row["number"] for row in rows}
        self._waits_from = dict.fromkeys(self._held, -1)
        for entry in self.entries:
            if entry.error is not None:
                self._hold(entry)

    async def apply(self, entries: Sequence[Entry[T]]) -> None:
        """Apply all of them or, where that fails, each half by itself, the earlier one first."""
        able = [entry for entry in entries if entry.error is None and not self._waits(entry)]
        if not able:
            return
        try:
            async with self._connection.transaction():
                values: list[Any] = [entry.value for entry in able]
                await apply_values(self._view, self._connection, values)
        except CannotApplyError as error:
            if len(able) == 1:
                able[0].error = error
                self._hold(able[0])
                return
            half = len(able) // 2
            await self.apply(able[:half])
            await self.apply(able[half:])
        else:
            self.applied += len(able)

    async def park(self) -> Sifted:
        """Write down what was not applied."""
        chosen = [entry for entry in self.entries if entry.error is not None or self._waits(entry)]
        if not chosen:
            return Sifted(self.applied, 0, 0)
        numbers = [row[0] for row in await self._connection.fetch(_NUMBERS, len(chosen))]
        rows = []
        for number, entry in zip(sorted(numbers), chosen, strict=True):
            lane = entry.lane
            behind = None if lane is None else self._held.setdefault(lane, number)
            rows.append(self._row(number, entry, None if behind == number else behind))
        await self._connection.copy_records_to_table("parked", columns=_COLUMNS, records=rows)
        counts = _counted(entry.record for entry in chosen)
        await self._connection.execute(_COUNT, self._view.name, *_transposed(counts))
        return Sifted(self.applied, len(rows), sum(entry.error is None for entry in chosen))

    def _hold(self, entry: Entry[T]) -> None:
        if entry.lane is not None:
            here = self._order[id(entry)]
            self._waits_from[entry.lane] = min(here, self._waits_from.get(entry.lane, here))

    def _waits(self, entry: Entry[T]) -> bool:
        here = self._order[id(entry)]
        return entry.lane is not None and self._waits_from.get(entry.lane, here) < here

    def _row(self, number: int, entry: Entry[T], behind: int | None) -> tuple[Any, ...]:
        record, known = entry.record, envelope(entry.record)
        return (
            *(number, self._view.name, record.topic, record.partition, record.offset),
            *(known.position, known.event_id, known.type, record.key, record.value),
            [name.encode() for name, _ in record.headers],
            [value for _, value in record.headers],
            *(_reason(entry), "" if entry.error is None else stack(cause(entry.error))),
            *(_deliveries(entry.error), behind),
        )


async def _unknown(connection: Any, view: str, entries: Sequence[Entry[T]]) -> list[Entry[T]]:
    """Leave out what waits already or was given up; forget that the rest was replayed, if it was."""
    spans: dict[tuple[str, int], tuple[int, int]] = {}
    for entry in entries:
        topic, partition, offset, *_ = entry.record
        first, last = spans.get((topic, partition), (offset, offset))
        spans[topic, partition] = min(first, offset), max(last, offset)
    columns = _transposed([(*place, *span) for place, span in spans.items()])
    here = {entry.record[:3] for entry in entries}
    known = [row for row in await connection.fetch(_BEFORE, view, *columns) if tuple(row)[1:4] in here]
    if again := [row["number"] for row in known if row["status"] == "replayed"]:
        await connection.execute(_ANEW, again)
    done = {tuple(row)[1:4] for row in known if row["status"] != "replayed"}
    done |= await _published_twice(connection, view, entries)
    return [entry for entry in entries if entry.record[:3] not in done]


async def _published_twice(connection: Any, view: str, entries: Sequence[Entry[T]]) -> set[Any]:
    """Find records without a position to tell by that hold an event that stands in the table already."""
    unread = {entry.record[:3]: envelope(entry.record).event_id for entry in entries if entry.error}
    ids = [event_id for event_id in unread.values() if event_id is not None]
    rows = await connection.fetch(_TWICE, view, ids) if ids else ()
    seen = {tuple(row) for row in rows}
    twice = set()
    for place, event_id in unread.items():
        event = (place[0], event_id)
        if event_id is not None and event in seen:
            twice.add(place)
        seen.add(event)
    return twice


def _counted(records: Iterable[Incoming]) -> Collection[tuple[str, int, int]]:
    counts: dict[tuple[str, int], int] = {}
    for record in records:
        counts[record[:2]] = counts.get(record[:2], 0) + 1
    return [(*place, count) for place, count in counts.items()]


def _transposed(rows: Collection[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def cause(error: Exception) -> BaseException:
    """Return what a view raised, or the error itself where it is our own."""
    return error.__cause__ or error if isinstance(error, CannotApplyError) else error


def _reason(entry: Entry[Any]) -> str:
    if entry.error is None:
        return "waits behind an earlier record of its key"
    return reason(entry.error)


def reason(error: Exception) -> str:
    """Say why a record is parked: the message where it is our own, elsewhere kind and place."""
    return str(error) if isinstance(error, MalformedRecordError) else kind(cause(error))


def _deliveries(error: Exception | None) -> int:
    if error is None:
        return 0
    return error.deliveries if isinstance(error, WorkerDiedError) else 1
