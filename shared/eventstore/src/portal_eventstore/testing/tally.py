"""Which view do the tests rebuild? It counts the events of each subject, in tables with all they may have."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from portal_eventstore.testing.kafka_log import Counted, Log
from portal_eventstore.view import Bulk, Projection, Received, Rows, View, view_of

CHANGED: Final = "tally"
"""The channel on which the view tells what it wrote."""

TABLES: Final = """
-- Comments may name what they like: create table nothing.
create table if not exists tally (
    subject uuid primary key,
    times integer not null,
    last integer not null,
    seen_at timestamptz not null,
    note text collate "C"
) with (fillfactor = 70);
create index if not exists tally_times on tally (times desc, subject) include (last) where times > 0;

create table if not exists tally_number (
    subject uuid not null,
    number integer not null check (number >= 0),
    position bigint not null,
    constraint tally_number_once unique (subject, number) include (position)
);
"""

_COUNT = """
with seen as (select * from unnest($1::uuid[], $2::integer[], $3::integer[], $4::timestamptz[])
    as s (subject, times, last, seen_at)
), counted as (
    insert into tally (subject, times, last, seen_at) select * from seen
    on conflict (subject) do update set
        (times, last, seen_at) = (tally.times + excluded.times, excluded.last, excluded.seen_at)
)
select pg_notify('tally', subject::text) from seen
"""
_NUMBERS = """
insert into tally_number (subject, number, position)
select * from unnest($1::uuid[], $2::integer[], $3::bigint[])
on conflict do nothing
"""


def rows(history: Sequence[Received]) -> Rows:
    """Count whole histories."""
    tallies: dict[UUID, tuple[Any, ...]] = {}
    for received in history:
        subject, number = received.event.subject, _number(received)
        times = tallies[subject][1] + 1 if subject in tallies else 1
        tallies[subject] = (subject, times, number, received.stored.time, None)
    numbers = {(r.event.subject, _number(r)): r.stored.position for r in reversed(history)}
    return {
        "tally": list(tallies.values()),
        "tally_number": [(*key, position) for key, position in numbers.items()],
    }


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Count on."""
    counted = rows(batch)
    if counted["tally"]:
        columns = [list(column) for column in zip(*counted["tally"], strict=True)]
        await connection.execute(_COUNT, *columns[:4])
        await connection.execute(_NUMBERS, *map(list, zip(*counted["tally_number"], strict=True)))


def tally(log: Log, *, bulk: bool = True, version: int = 1) -> View[Received]:
    """Return the view over a log."""
    return tally_of(log.topic, log.counted, bulk=bulk, version=version)


def tally_of(topic: str, counted: type[Counted], *, bulk: bool = True, version: int = 1) -> View[Received]:
    """Return the view over a topic."""
    projection = Projection("tally", (topic,), (counted,), TABLES, apply, version=version)
    return view_of(replace(projection, bulk=Bulk(rows) if bulk else None))


def _number(received: Received) -> int:
    number: int = received.event.number  # type: ignore[attr-defined]
    return number
