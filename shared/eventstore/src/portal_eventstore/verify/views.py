"""Do a service's views show what its topics hold?"""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from portal_eventstore.history import fences
from portal_eventstore.kafka import Partition, Range
from portal_eventstore.rebuild.build import RebuildError
from portal_eventstore.rebuild.rebuild import compare
from portal_eventstore.verify.check import Check, named
from portal_eventstore.view import NO_ROWS, View

_PARKED = "select number from parked where view = $1 and status = 'waiting' order by number"
_PLACES = "select topic, partition, next_offset from projection_position where view = $1"


async def verify_view(database_url: str, bootstrap_servers: str, view: View[Any]) -> list[Check]:
    """Build a view beside its tables, compare the two, and count what is parked."""
    if view.table == NO_ROWS:
        return []
    try:
        found = await compare(database_url, bootstrap_servers, view)
    except RebuildError as error:
        return [Check(None, f"view {view.name}: {error}")]
    rows = ", ".join(f"{count:,} in {table}" for table, count in found.rows.items())
    if found.equal is None:
        check = Check(None, f"view {view.name}: not compared, {found.why_not}")
    elif found.equal:
        check = Check(clean=True, text=f"view {view.name}: equal digests {found.digest}; rows: {rows}")
    else:
        differing = [
            f"{table.table} has {table.live_rows:,} rows where {table.built_rows:,} are expected "
            f"(for example {'; '.join(table.differing) or 'rows without an id'})"
            for table in found.tables
            if not table.equal
        ]
        check = Check(clean=False, text=f"view {view.name} differs: {'; '.join(differing)}")
    return [check, *await _parked(database_url, view)]


async def look_at_view(database_url: str, bootstrap_servers: str, view: View[Any]) -> list[Check]:
    """Tell how far a view is behind its topics, without looking at its rows."""
    held: dict[Partition, Range] = {}
    for topic in view.topics:
        held |= await fences(bootstrap_servers, topic)
    connection = await asyncpg.connect(database_url)
    try:
        places = {(row[0], row[1]): row[2] for row in await connection.fetch(_PLACES, view.name)}
    finally:
        await connection.close()
    beyond = [
        f"{topic}/{number}" for (topic, number), place in places.items() if place > _end(held, topic, number)
    ]
    if beyond:
        return [
            Check(clean=False, text=f"view {view.name} has read more than Kafka holds of {named(beyond)}")
        ]
    behind = sum(end - max(begin, places.get(place, 0)) for place, (begin, end) in held.items())
    return [
        Check(clean=True, text=f"view {view.name}: {behind:,} records to read"),
        *await _parked(database_url, view),
    ]


def _end(held: Mapping[Partition, Range], topic: str, partition: int) -> int:
    found = held.get((topic, partition))
    return 0 if found is None else found.end


async def _parked(database_url: str, view: View[Any]) -> Sequence[Check]:
    connection = await asyncpg.connect(database_url)
    try:
        numbers = [number for (number,) in await connection.fetch(_PARKED, view.name)]
    finally:
        await connection.close()
    if not numbers:
        return []
    text = f"view {view.name}: {len(numbers):,} records are parked (number {named(numbers)})"
    return [Check(clean=False, text=f"{text}: ./portal parked list")]
