"""What waits in `parked`, and how does it get into its view, or out of the way, once somebody has looked?

A key is drained in order, in one transaction that first locks the row of the partition's place: the worker's
batches and other replays queue there, so that every record is applied once and none overtakes another. The
place itself is not moved: the worker passed these records when it parked them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from portal_eventstore.kafka import Incoming
from portal_eventstore.parking.blame import stack
from portal_eventstore.parking.envelope import envelope
from portal_eventstore.parking.sift import CannotApplyError, apply_values, cause, reason
from portal_eventstore.view import MalformedRecordError, Parsed, View

T = TypeVar("T")

_COUNTS: Final = "select view, count(*) from parked where status = 'waiting' group by view order by view"
# A record without a key is a lane of its own.
_LANES: Final = """
select number, view, topic, partition, record_offset, type, reason, parked_at, behind_it from (
    select p.*, row_number() over (partition by lane order by record_offset) as place,
        count(*) over (partition by lane) - 1 as behind_it
    from parked p,
        lateral (select row (view, topic, partition, key, case when key is null then number end) as lane) as l
    where status = 'waiting' and ($1::text[] is null or view = any ($1))
) as waiting where place = 1 order by number
"""
_SHOW: Final = "select * from parked where number = $1"
_LOCK: Final = """
select edition, next_offset from projection_position
where view = $1 and topic = $2 and partition = $3 for update
"""
_WAITING: Final = """
select p.* from parked p join parked asked on asked.number = $1
where p.status = 'waiting' and p.view = asked.view and p.topic = asked.topic and p.partition = asked.partition
    and (p.number = $1 or md5(p.key) = md5(asked.key) and p.key = asked.key)
order by p.record_offset
"""
_REPLAYED: Final = """
update parked set status = 'replayed', settled_at = now(), behind = null where number = any ($1::bigint[])
"""
_FAILED: Final = """
update parked set reason = $2, stack = $3, deliveries = least(deliveries + 1, 1000), behind = null
where number = $1
"""
_BEHIND: Final = "update parked set behind = $2 where number = any ($1::bigint[])"
_DISCARD: Final = """
update parked set status = 'discarded', settled_at = now(), discard_reason = $2
where number = $1 and status = 'waiting' returning true
"""
# What the record holds is not kept, and no copy is made: it may be a key.
_GIVE_UP: Final = """
insert into parked (view, topic, partition, record_offset, header_names, header_values, reason, stack,
    deliveries, status, settled_at, discard_reason, relayed)
values ($1, $2, $3, $4, '{}', '{}', 'given up where the view stopped', '', 0, 'discarded', now(), $5, true)
on conflict do nothing returning number
"""
_DISCARDED: Final = """
select topic, partition, record_offset, event_id from parked where view = $1 and status = 'discarded'
"""
_FEWER: Final = """
update projection_position set parked = greatest(parked - $4, 0)
where view = $1 and topic = $2 and partition = $3
"""


class ParkedError(Exception):
    """It cannot be done; the message is one sentence."""


class Lane(NamedTuple):
    """A key's records that wait: the first of them, and how many stand behind it."""

    number: int
    view: str
    topic: str
    partition: int
    record_offset: int
    type: str | None
    reason: str
    parked_at: datetime
    behind_it: int


@dataclass(frozen=True, kw_only=True)
class ParkedRecord:
    """What is known of one record, apart from what it holds. `key`: where it is an id."""

    number: int
    view: str
    topic: str
    partition: int
    record_offset: int
    position: int | None
    event_id: UUID | None
    type: str | None
    key: UUID | None
    value_bytes: int
    header_names: tuple[str, ...]
    reason: str
    stack: str
    deliveries: int
    parked_at: datetime
    status: str
    behind: int | None
    settled_at: datetime | None
    discard_reason: str | None


class Drained(NamedTuple):
    """How many records of a key were applied; which one failed again, and how many wait with it."""

    applied: int
    failed: int | None
    reason: str
    left: int


async def parked_counts(pool: Any) -> dict[str, int]:
    """Return how many records wait, of each view that any wait for."""
    return {row["view"]: row["count"] for row in await pool.fetch(_COUNTS)}


async def waiting_lanes(pool: Any, views: Sequence[str] | None = None) -> list[Lane]:
    """Return what waits, for these views or for all, one entry a key, the oldest first."""
    return [Lane(*row) for row in await pool.fetch(_LANES, views)]


async def parked_record(pool: Any, number: int) -> ParkedRecord:
    """Return what is known of a record; raises ParkedError."""
    row = await pool.fetchrow(_SHOW, number)
    if row is None:
        raise ParkedError(f"no parked record has the number {number}")
    told = {name: row[name] for name in ParkedRecord.__dataclass_fields__ if name in row.keys()}  # noqa: SIM118  a Record's `in` asks its values
    told["key"] = _as_id(row["key"])
    told["value_bytes"] = len(row["value"] or b"")
    told["header_names"] = tuple(name.decode(errors="replace") for name in row["header_names"])
    return ParkedRecord(**told)


async def drain(pool: Any, view: View[T], number: int) -> Drained:
    """Apply what waits of the key of record `number`, in order, up to the first that fails again."""
    record = await _still_waiting(pool, number)
    async with pool.acquire() as connection, connection.transaction(isolation="read_committed"):
        edition = await connection.fetchval(_LOCK, view.name, record.topic, record.partition)
        if edition != view.edition:
            raise ParkedError(f"the tables of view {view.name} are of another edition than this code writes")
        # Read under the lock: another replay may have been first.
        rows = await connection.fetch(_WAITING, number)
        applied, error = await _apply_in_order(connection, view, rows)
        done, rest = [row["number"] for row in rows[:applied]], [row["number"] for row in rows[applied:]]
        await connection.execute(_REPLAYED, done)
        await connection.execute(_FEWER, view.name, record.topic, record.partition, len(done))
        if error is None:
            return Drained(applied, None, "", 0)
        await connection.execute(_FAILED, rest[0], reason(error), stack(cause(error)))
        await connection.execute(_BEHIND, rest[1:], rest[0])
        return Drained(applied, rest[0], reason(error), len(rest))


async def discard(pool: Any, number: int, why: str) -> None:
    """Give one record up; what waits behind it waits on, until it is replayed."""
    record = await _still_waiting(pool, number)
    async with pool.acquire() as connection, connection.transaction(isolation="read_committed"):
        await connection.fetchval(_LOCK, record.view, record.topic, record.partition)
        if await connection.fetchval(_DISCARD, number, why) is None:
            raise ParkedError(f"record {number} was settled meanwhile")
        await connection.execute(_FEWER, record.view, record.topic, record.partition, 1)


async def give_up(pool: Any, view: View[Any], topic: str, partition: int, offset: int, why: str) -> int:
    """Let a view that keeps nothing aside pass a record that it stopped at; return the number of the note."""
    if view.parks:
        raise ParkedError(f"view {view.name} puts aside what it cannot apply: discard it by its number")
    async with pool.acquire() as connection, connection.transaction(isolation="read_committed"):
        place = await connection.fetchrow(_LOCK, view.name, topic, partition)
        if place is None or place["next_offset"] > offset:
            raise ParkedError(f"view {view.name} has not stopped before {topic}/{partition}@{offset}")
        number: int | None = await connection.fetchval(_GIVE_UP, view.name, topic, partition, offset, why)
    if number is None:
        raise ParkedError(f"{topic}/{partition}@{offset} was given up already")
    return number


async def without_discarded(pool: Any, view: View[T]) -> Callable[[Incoming], Parsed[T]]:
    """Return how records are read when those that operators gave up are passed over."""
    rows = await pool.fetch(_DISCARDED, view.name)
    ids = {row["event_id"] for row in rows if row["event_id"] is not None}
    places = {(row["topic"], row["partition"], row["record_offset"]) for row in rows}
    if not rows:
        return view.parse

    def parse(record: Incoming) -> Parsed[T]:
        if record[:3] in places or envelope(record).event_id in ids:
            return Parsed(None, None)
        return view.parse(record)

    return parse


async def _still_waiting(pool: Any, number: int) -> ParkedRecord:
    record = await parked_record(pool, number)
    if record.status != "waiting":
        raise ParkedError(f"record {number} was {record.status} already, at {record.settled_at:%F %T} UTC")
    return record


async def _apply_in_order(
    connection: Any, view: View[T], rows: Sequence[Any]
) -> tuple[int, MalformedRecordError | CannotApplyError | None]:
    """Apply records up to the first that fails; return how many, and why no more."""
    values: list[T | None] = []
    unreadable: MalformedRecordError | None = None
    for row in rows:
        try:
            values.append(view.parse(_record(row)).value)
        except MalformedRecordError as error:
            unreadable = error
            break
    if await _applied(connection, view, values) is None:
        return len(values), unreadable
    for count, value in enumerate(values):
        if (refused := await _applied(connection, view, [value])) is not None:
            return count, refused
    return len(values), unreadable


async def _applied(connection: Any, view: View[T], values: Sequence[T | None]) -> CannotApplyError | None:
    handled = [value for value in values if value is not None]
    if not handled:
        return None
    try:
        async with connection.transaction():
            await apply_values(view, connection, handled)
    except CannotApplyError as error:
        return error
    return None


def _record(row: Any) -> Incoming:
    names = (name.decode() for name in row["header_names"])
    headers = tuple(zip(names, row["header_values"], strict=True))
    return Incoming(row["topic"], row["partition"], row["record_offset"], row["key"], row["value"], headers)


def _as_id(key: bytes | None) -> UUID | None:
    try:
        return UUID((key or b"").decode("ascii"))
    except ValueError:
        return None
