"""Does a build hold the same rows as the live tables do?

Nobody waits for it: the live tables are read in one snapshot, together with their places; then the build is
brought to exactly these places, never beyond.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from portal_eventstore.editions import missing_tables, registered
from portal_eventstore.kafka import Partition
from portal_eventstore.rebuild.build import Build
from portal_eventstore.rebuild.digest import SETTINGS, TableDigest, digest, digest_of, hashes
from portal_eventstore.rebuild.follow import Following
from portal_eventstore.rebuild.tables import tables_in

PUBLIC = "public"

_PATIENCE = 15.0  # seconds without a live place moving
_POLL_SECONDS = 0.1
_KEYS_NAMED = 5

_PLACES = "select topic, partition, next_offset from projection_position where view = $1"


@dataclass(frozen=True)
class TableComparison:
    """One table, live and built: rows, digests, and the ids of a few rows that differ."""

    table: str
    live_rows: int
    built_rows: int
    live_digest: str
    built_digest: str
    differing: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Tell whether every cell is the same."""
        return self.live_digest == self.built_digest


@dataclass(frozen=True)
class Comparison:
    """A view's live tables and what was built of the same records. `why_not`: why nothing was compared."""

    view: str
    digest: str
    tables: tuple[TableComparison, ...] = ()
    why_not: str | None = None
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def equal(self) -> bool | None:
        """Tell whether they hold the same; None where nothing was compared."""
        return None if self.why_not is not None else all(table.equal for table in self.tables)


async def compare_with_live(build: Build, following: Following, view: str, database_url: str) -> Comparison:
    """Compare the build with the live tables of `view`."""
    tables = await tables_in(build.pool, build.name)
    async with _live(database_url) as live:
        why_not = await _incomparable(live, view, build) or await _not_comparable_yet(following, view, live)
        if why_not is not None:
            built = await _digests(build.pool, build.name, tables)
            return Comparison(view, digest_of(built), (), why_not, _rows(built))
        # The snapshot began in _not_comparable_yet.
        built, standing = await asyncio.gather(
            _digests(build.pool, build.name, tables), _digests_of(live, PUBLIC, tables)
        )
        compared = [
            TableComparison(
                table,
                standing[table].rows,
                built[table].rows,
                standing[table].digest,
                built[table].digest,
                await _differing(build, live, table, standing[table], built[table]),
            )
            for table in tables
        ]
    return Comparison(view, digest_of(built), tuple(compared), None, _rows(built))


@asynccontextmanager
async def _live(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(
        database_url,
        server_settings={
            **SETTINGS,
            "application_name": "rebuild compares",
            "search_path": PUBLIC,
            "idle_in_transaction_session_timeout": "0",
            "statement_timeout": "0",
        },
    )
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def _incomparable(live: Any, view: str, build: Build) -> str | None:
    found = await registered(live, view)
    if found is None or found.edition != build.view.edition:
        return "the live tables are of another edition"
    if missing := await missing_tables(live, found.tables):
        return f"of the live tables {', '.join(missing)} is gone"
    return None


async def _not_comparable_yet(following: Following, view: str, live: Any) -> str | None:
    """Begin a snapshot of the live tables and bring the build to it, or say why that cannot be.

    Waits for live tables that are behind; not where nobody has begun to follow them, as after a restore.
    """
    clock = asyncio.get_running_loop().time
    seen: dict[Partition, int] = {}
    deadline = clock() + _PATIENCE
    while True:
        await live.execute("begin isolation level repeatable read read only")
        places = {(row[0], row[1]): row[2] for row in await live.fetch(_PLACES, view)}
        if all(following.place(tp) <= places.get(tp, 0) for tp in set(places) | set(following.partitions)):
            await following.to(places)
            return None
        await live.execute("rollback")
        if not places:
            return "nobody has followed the live tables yet"
        if places != seen:
            seen, deadline = places, clock() + _PATIENCE
        if clock() > deadline:
            return "the live tables are behind the build and do not catch up"
        await asyncio.sleep(_POLL_SECONDS)


async def _digests(pool: Any, schema: str, tables: list[str]) -> dict[str, TableDigest]:
    async with pool.acquire() as connection:
        return await _digests_of(connection, schema, tables)


async def _digests_of(connection: Any, schema: str, tables: list[str]) -> dict[str, TableDigest]:
    return {table: await digest(connection, schema, table) for table in tables}


async def _differing(
    build: Build, live: Any, table: str, standing: TableDigest, built: TableDigest
) -> tuple[str, ...]:
    """Return the ids of a few rows that are not the same on both sides."""
    both = standing.buckets.keys() | built.buckets.keys()
    buckets = sorted(b for b in both if standing.buckets.get(b) != built.buckets.get(b))[:_KEYS_NAMED]
    if not buckets:
        return ()
    here = await hashes(live, PUBLIC, table, buckets)
    async with build.pool.acquire() as connection:
        there = await hashes(connection, build.name, table, buckets)
    found = []
    for key in sorted(here.keys() | there.keys()):
        ids, one = here.get(key, ("", []))
        other_ids, other = there.get(key, ("", []))
        if sorted(one) != sorted(other):
            found.append(ids or other_ids)
    return tuple(found[:_KEYS_NAMED])


def _rows(tables: Mapping[str, TableDigest]) -> dict[str, int]:
    return {table: found.rows for table, found in tables.items()}
