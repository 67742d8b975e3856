"""Is a lent database as if nobody had had it before, and is it said who left a connection open?"""

from collections.abc import AsyncIterator, Mapping

import asyncpg
import pytest

from portal_eventstore.testing.lending import LeftOpen, Lender

pytestmark = pytest.mark.connected

_TABLES = """
create table kept (
    number bigint generated always as identity primary key, note text not null, at timestamptz
);
create table child (of bigint not null references kept);
create sequence place;
do $$ begin execute format('alter database %I set work_mem = "5MB"', current_database()); end $$;
insert into kept (note, at) values ('it''s "here"', '2026-11-23 12:00:00.123456Z');
"""
_ALL = """
select (select jsonb_agg(to_jsonb(k)) from kept k)::text, (select count(*) from child), nextval('place'),
    current_setting('work_mem')
"""


async def _prepare(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(_TABLES)
    await connection.close()


@pytest.fixture
async def own_lender(servers: Mapping[str, str]) -> AsyncIterator[Lender]:
    server = await asyncpg.connect(servers["PORTAL_TEST_DATABASE_URL"])
    lender = Lender(servers["PORTAL_TEST_DATABASE_URL"], server)
    yield lender
    await lender.close()
    await server.close()


async def _used(lender: Lender, *statements: str) -> tuple[str, list[object]]:
    """Return which database was lent and how it was found, before these statements changed it."""
    async with lender.lent(_prepare) as url:
        connection = await asyncpg.connect(url)
        found = list(await connection.fetchrow(_ALL))
        for statement in statements:
            await connection.execute(statement)
        await connection.close()
    return url, found


async def test_given_rows_that_came_changed_and_went_when_lent_again_then_as_it_was_prepared(
    own_lender: Lender,
) -> None:
    url, before = await _used(
        own_lender, "insert into kept (note) values ('more'); insert into child values (2)"
    )
    again, after = await _used(own_lender, "delete from kept", "select nextval('place')")
    last, found = await _used(own_lender)
    assert url == again == last
    assert before == after == found
    assert found[-1] == "5MB"
    async with own_lender.lent(_prepare) as url:
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("insert into kept (note) values ('') returning number") == 2
        await connection.close()


@pytest.mark.parametrize(
    "change",
    [
        "drop table child",
        "alter table kept alter note drop not null",
        "create schema other",
        "create function one() returns int language sql as 'select 1'",
        "do $$ begin execute format('alter database %I set jit = off', current_database()); end $$",
        "insert into kept (note) select repeat('x', 1000) from generate_series(1, 5000)",
    ],
)
async def test_given_a_database_was_changed_or_filled_when_lent_then_another(
    own_lender: Lender, change: str
) -> None:
    url, before = await _used(own_lender, change)
    another, found = await _used(own_lender)
    assert another != url
    assert found == before


async def test_given_a_connection_left_open_when_given_back_then_it_is_named_and_the_database_is_gone(
    own_lender: Lender,
) -> None:
    async with own_lender.lent(_prepare) as first:
        pass
    lent = own_lender.lent(_prepare)
    url = await lent.__aenter__()
    left = await asyncpg.connect(url, server_settings={"application_name": "a forgetful test"})
    await left.fetchval("select 'what it did'")
    with pytest.raises(LeftOpen, match=r"a forgetful test \(idle\): select 'what it did'"):
        await lent.__aexit__(None, None, None)
    assert url == first
    left.terminate()
    assert (await _used(own_lender))[0] != url
