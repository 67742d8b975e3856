"""What do writers and readers see of a PostgreSQL that dies, or has no room left?"""

import asyncio
import errno
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from portal_eventstore.decision import StoreUnavailable
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.store import Query
from portal_eventstore.testing.kafka_log import migrate
from portal_eventstore.testing.waiting import until
from portal_eventstore.testing.world import TAKE, Take, append, context, thing

from .own_servers import Server, own_postgres

pytestmark = pytest.mark.connected


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[tuple[Server, str]]:
    """A PostgreSQL that acknowledges what is on its disk, and the address of a store in it."""
    async with own_postgres(tmp_path) as (server, postgres):
        url = await postgres.create_database("example")
        await migrate(url)
        yield server, url


async def test_given_writers_when_postgres_is_killed_then_they_go_on_and_all_acknowledged_is_there_once(
    own: tuple[Server, str],
) -> None:
    server, url = own
    store = await PostgresStore.connect(url, "example")
    decider = Decider(store)
    acknowledged: dict[uuid.UUID, int] = {}
    writing = True

    async def write() -> None:
        while writing:
            with suppress(StoreUnavailable):
                outcome = await decider.execute(TAKE, Take(uuid.uuid4(), uuid.uuid4()), context())
                acknowledged.update(zip(outcome.ids, outcome.positions, strict=True))

    async def at_least(count: int) -> None:
        async def there() -> bool:
            return len(acknowledged) >= count

        await until(there, f"{count} are acknowledged")

    writers = [asyncio.create_task(write()) for _ in range(8)]
    for _ in range(2):
        await at_least(len(acknowledged) + 200)
        await server.kill()
        await server.start()
    await at_least(len(acknowledged) + 200)
    writing = False
    await asyncio.gather(*writers)
    stored = {e.id: e.position for e in await store.tail(0, 1_000_000)}
    assert acknowledged.items() <= stored.items()
    tags = [e.tags for e in await store.tail(0, 1_000_000)]
    assert len(set(tags)) == len(tags), "doubled"
    await decider.close()
    await store.close()


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017  it ends in no other way


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
async def test_given_the_disk_is_full_then_writes_are_unavailable_reads_go_on_and_room_mends_it(
    tmp_path: Path,
) -> None:
    async with own_postgres(tmp_path, disk="192m") as (_, postgres):
        url = await postgres.create_database("example")
        await migrate(url)
        store = await PostgresStore.connect(url, "example")
        one = uuid.uuid4()
        assert await store.append([append(one)]) == [(1,)]
        filler = postgres.folder / "filler"
        _fill(filler)

        refused = 0
        taken = [1]
        while refused < 3:
            # Until the pages at hand are used up there is room.
            try:
                [verdict] = await store.append([append(uuid.uuid4(), data='"' + "x" * 4_000 + '"')])
            except StoreUnavailable:
                refused += 1
            else:
                taken += verdict or ()
        assert [len(found) for found in await store.read([Query(thing(one))])] == [1]
        assert [e.position for e in await store.tail(0, 10_000)] == taken

        filler.unlink()
        [verdict] = await store.append([append(uuid.uuid4())])
        taken += verdict or ()
        assert [e.position for e in await store.tail(0, 10_000)] == taken
        await store.close()


@pytest.mark.parametrize("code", ["disk_full", "out_of_memory", "lock_not_available", "query_canceled"])
async def test_given_the_server_cannot_at_the_moment_then_writes_are_unavailable_until_it_can(
    store_url: str, postgres_store: PostgresStore, code: str
) -> None:
    connection = await asyncpg.connect(store_url)
    await connection.execute(
        "create function refuse() returns trigger language plpgsql as "
        f"$$ begin raise exception 'refused' using errcode = '{code}'; end $$;"
        "create trigger refuse before insert on event execute function refuse()"
    )
    with pytest.raises(StoreUnavailable):
        await postgres_store.append([append(uuid.uuid4())])
    assert await postgres_store.head() == 0
    await connection.execute("drop trigger refuse on event")
    await connection.close()
    assert await postgres_store.append([append(uuid.uuid4())]) != [None]


async def test_given_the_store_is_read_only_then_writes_are_unavailable_and_reads_go_on(
    store_url: str, postgres_store: PostgresStore
) -> None:
    """A server that has just become a replica."""
    one = uuid.uuid4()
    await postgres_store.append([append(one)])
    database = store_url.rpartition("/")[2].partition("?")[0]
    connection = await asyncpg.connect(store_url)
    await connection.execute(f'alter database "{database}" set default_transaction_read_only = on')
    await connection.close()
    replica = await PostgresStore.connect(store_url, "example")
    with pytest.raises(StoreUnavailable):
        await replica.append([append(one)])
    assert [len(found) for found in await replica.read([Query(thing(one))])] == [1]
    await replica.close()
