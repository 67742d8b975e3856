"""How does a view come to hold millions of rows? Through its own projection, past the log.

What a projection writes follows the code; only events, store and Kafka are left out.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

import asyncpg

from portal_events.base import Event
from portal_events.stored import Metadata, StoredEvent
from portal_eventstore.view import Projection, Received

_BATCH: Final = 1_000
_TIMEOUT: Final = 1_200.0
_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)
_NOBODY: Final = Metadata(UUID(int=0), "system:bench", UUID(int=0), UUID(int=0), 1)

_INDEXES: Final = """
select c.relname, pg_get_indexdef(i.indexrelid) as made
from pg_index i join pg_class c on c.oid = i.indexrelid
where i.indrelid = any ($1::text[]::regclass[])
    and not exists (select from pg_constraint where conindid = i.indexrelid)
"""


@asynccontextmanager
async def filling(database_url: str, *tables: str) -> AsyncIterator[Any]:
    """Give the block a connection to fill `tables` with, whose indexes are built after it."""
    connection = await asyncpg.connect(database_url, command_timeout=_TIMEOUT)
    await connection.execute("set synchronous_commit = off")
    await connection.execute("set maintenance_work_mem = '512MB'")
    indexes = await connection.fetch(_INDEXES, list(tables))
    for index in indexes:
        await connection.execute(f'drop index "{index["relname"]}"')
    try:
        yield connection
        for index in indexes:
            await connection.execute(index["made"])
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")
    finally:
        await connection.close()


async def apply(connection: Any, projection: Projection, events: Iterable[Event], first: int = 1) -> None:
    """Hand events to a projection, in batches; their ids and positions count from `first`."""
    received = _received(events, first)
    while batch := list(islice(received, _BATCH)):
        async with connection.transaction():
            await projection.apply(connection, batch)


def _received(events: Iterable[Event], first: int) -> Iterator[Received]:
    for number, event in enumerate(events, first):
        kind = type(event)
        stored = StoredEvent(
            kind.OWNER, number, UUID(int=number), kind.__name__, kind.VERSION, (), "", _TIME, _NOBODY
        )
        yield Received("", 0, number, stored, event)
