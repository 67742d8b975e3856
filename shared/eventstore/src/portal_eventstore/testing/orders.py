"""In which orders may a view come to see the same records, and what has it become in the end?

Kafka keeps the order within a partition and promises nothing between partitions.
"""

import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, TypeAlias

import asyncpg

from portal_eventstore.consume import Place, ViewConsumption, fresh
from portal_eventstore.kafka import Incoming, Partition
from portal_eventstore.rebuild.digest import SETTINGS, digest
from portal_eventstore.view import View

Batches: TypeAlias = Mapping[Partition, Sequence[Incoming]]
"""What a consumer is handed at once."""

_SIZES: Final = (1, 2, 7, 100, 100_000)
_SENT_AGAIN: Final = 0.03
_LONGEST_AGAIN: Final = 12
_NUMBERED: Final = "ce_sequence"

_TABLES: Final = """
select c.relname from pg_class c where c.relkind = 'r' and c.relnamespace = $1::regnamespace order by 1
"""


def interleaved(records: Batches, chance: random.Random) -> Iterator[Batches]:
    """Yield `records` in an order that chance chooses, as consumers may see them.

    Partitions are mixed, in batches of one record up to everything, and one of them comes after all others. A
    relay that lost its place has sent some of it twice.
    """
    waiting = {tp: _sent(lane, chance) for tp, lane in records.items() if lane}
    delayed = chance.choice(sorted(waiting))
    last = {delayed: waiting.pop(delayed)}
    while waiting:
        some = chance.sample(sorted(waiting), chance.randint(1, len(waiting)))
        yield {tp: _taken(waiting[tp], chance.choice(_SIZES)) for tp in some}
        waiting = {tp: lane for tp, lane in waiting.items() if lane}
    yield last


async def applied(
    database_url: str, schema: str, view: View[Any], batches: Iterable[Batches]
) -> dict[str, str]:
    """Let a view of a schema of its own see `batches`; return the digest of each of its tables."""
    async with _own_schema(database_url, schema) as pool:
        await pool.execute(view.table)
        consumption = ViewConsumption(pool, replace(view, name=f"{view.name} {schema}"))
        for batch in batches:
            await consumption.begin({*consumption.places, *batch})
            if await consumption.handle(batch):
                raise AssertionError(f"not applied: {consumption.problems()}")
        return await digests(pool, schema)


async def filled(database_url: str, schema: str, view: View[Any], records: Batches) -> dict[str, str]:
    """Fill a view's tables in a schema of its own from whole histories; return the digest of each."""
    if view.bulk is None:
        raise TypeError(f"{view.name} has no bulk")
    async with _own_schema(database_url, schema) as pool:
        await pool.execute(view.table)
        for lane in records.values():
            values = fresh(lane, Place(0, 0), view.parse).values
            for table, rows in view.bulk.rows(values).items():
                await pool.copy_records_to_table(table, schema_name=schema, records=rows)
        if view.bulk.settle:
            await pool.execute(view.bulk.settle)
        return await digests(pool, schema)


async def digests(pool: Any, schema: str, tables: Sequence[str] = ()) -> dict[str, str]:
    """Return the digest of each of a schema's tables, of all of them where none is named."""
    async with pool.acquire() as connection:
        names = tables or [row[0] for row in await connection.fetch(_TABLES, schema)]
        return {name: (await digest(connection, schema, name)).digest for name in names}


@asynccontextmanager
async def _own_schema(database_url: str, schema: str) -> AsyncIterator[Any]:
    settings = {**SETTINGS, "search_path": f'"{schema}", public'}
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2, server_settings=settings) as pool:
        await pool.execute(f'create schema "{schema}"')
        yield pool


def _sent(lane: Sequence[Incoming], chance: random.Random) -> list[Incoming]:
    """Return a partition with parts of it twice: the second time at offsets of its own."""
    found: list[Incoming] = []
    for n, record in enumerate(lane, 1):
        found.append(record)
        # Only what has a position is told apart from what is new.
        if chance.random() < _SENT_AGAIN and any(name == _NUMBERED for name, _ in record.headers):
            found += lane[max(0, n - chance.randint(1, _LONGEST_AGAIN)) : n]
    return [record._replace(offset=offset) for offset, record in enumerate(found)]


def _taken(lane: list[Incoming], count: int) -> list[Incoming]:
    taken, lane[:] = lane[:count], lane[count:]
    return taken
