"""How does a test get a database with tables, without waiting until they are made?

A database is prepared once, lent to one test after another, and emptied in between. It is dropped where a
test changed its tables or filled them with much; a test that leaves a connection open fails.
"""

import asyncio
import contextlib
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

Prepare = Callable[[str], Awaitable[Any]]
"""Makes the tables, and the rows that every test finds, in the empty database at an address."""

_CLOSED_WITHIN = 1.0
"""Seconds that the server's side of a closed connection may take to end."""

_LEFT_OPEN = """
select format('%s (%s): %s', application_name, state, query) from pg_stat_activity
where datname = $1 and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
_SHAPE = """
select concat_ws(' ',
    (select concat_ws(' ', count(*), max(xmin::text::bigint), bool_or(pg_relation_size(oid) > 4000000))
        from pg_class where oid >= 16384),
    (select concat_ws(' ', count(*), max(xmin::text::bigint)) from pg_attribute where attrelid >= 16384),
    (select concat_ws(' ', count(*), max(xmin::text::bigint)) from pg_constraint where oid >= 16384),
    (select concat_ws(' ', count(*), max(xmin::text::bigint)) from pg_trigger where oid >= 16384),
    (select concat_ws(' ', count(*), max(xmin::text::bigint)) from pg_proc where oid >= 16384),
    (select concat_ws(' ', count(*), max(xmin::text::bigint)) from pg_namespace),
    (select concat_ws(' ', max(d.xmin::text), string_agg(r.setconfig::text, ' ')) from pg_database d
        left join pg_db_role_setting r on r.setdatabase = d.oid where d.datname = current_database()))
"""
"""Changes when a table, function, schema or setting of the database does, or a table becomes large."""

_TABLES = """
select name, 'delete from ' || name as emptied from (
    select format('%I.%I', schemaname, tablename) as name, schemaname from pg_tables) as tables
where schemaname not in ('pg_catalog', 'information_schema')
"""
_ROWS = "select jsonb_agg(to_jsonb(t)) from {} t"
_PUT_BACK = """
select format(
    'insert into %1$s overriding system value select * from jsonb_populate_recordset(null::%1$s, %2$L)',
    $1::text, $2::text)
"""
_SEQUENCES = """
select format('select setval(%L, %s, %L)', format('%I.%I', schemaname, sequencename),
    coalesce(last_value, start_value), last_value is not null)
from pg_sequences
"""

_SETTINGS = """
select format(
    'alter database %I set %I to %L',
    $2::text, split_part(one, '=', 1), substr(one, strpos(one, '=') + 1)
)
from pg_db_role_setting, unnest(setconfig) as one
where setrole = 0 and setdatabase = (select oid from pg_database where datname = $1)
"""
"""Gives a copy the settings of its template, which are no part of what `create database` copies."""


class LeftOpen(AssertionError):
    """A test ended, and a connection that it opened to its database did not."""


@dataclass(frozen=True)
class _Kind:
    """A database that others are copies of, and what brings a copy back to how it is."""

    template: str
    emptying: str


@dataclass(frozen=True)
class _Database:
    """A database, the lender's connection to it, and the shape that it must have when it is given back."""

    name: str
    connection: Any
    shape: str


class Lender:
    """Lends databases of one server."""

    def __init__(self, url: str, server: Any) -> None:
        """`server` is a superuser's connection to `url`."""
        self._url = url
        self._server = server
        self._kinds: dict[Prepare, _Kind] = {}
        self._free: dict[Prepare, list[_Database]] = defaultdict(list)

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[str]:
        """Give the address of an empty database that nobody had before; it is dropped afterwards."""
        name = await self._create("template1")
        try:
            yield self._address(name)
            await _require_closed(self._server, name)
        finally:
            await self._drop(name)

    @asynccontextmanager
    async def lent(self, prepare: Prepare) -> AsyncIterator[str]:
        """Give the address of a database that is as `prepare` leaves it."""
        free = self._free[prepare]
        database = free.pop() if free else await self._copy(prepare)
        try:
            yield self._address(database.name)
            # Whoever ended all connections to the database ended the lender's too.
            with contextlib.suppress(asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
                await _require_closed(database.connection, database.name)
                if await database.connection.fetchval(_SHAPE) == database.shape:
                    await database.connection.execute(self._kinds[prepare].emptying)
                    free.append(database)
        finally:
            if database not in free:
                await self._forget(database)

    async def close(self) -> None:
        """Drop all databases."""
        for free in self._free.values():
            for database in free:
                await self._forget(database)
        for kind in self._kinds.values():
            await self._drop(kind.template)

    async def _copy(self, prepare: Prepare) -> _Database:
        if prepare not in self._kinds:
            self._kinds[prepare] = await self._prepare(prepare)
        name = await self._create(self._kinds[prepare].template)
        # Rows go in any order, whatever refers to them.
        settings = {"session_replication_role": "replica", "application_name": "lender"}
        connection = await asyncpg.connect(self._address(name), server_settings=settings)
        return _Database(name, connection, await connection.fetchval(_SHAPE))

    async def _prepare(self, prepare: Prepare) -> _Kind:
        name = await self._create("template1")
        await prepare(self._address(name))
        connection = await asyncpg.connect(self._address(name))
        emptying = await _emptying(connection)
        await connection.close()
        await _require_closed(self._server, name)
        return _Kind(name, emptying)

    async def _create(self, template: str) -> str:
        name = f"test_{uuid.uuid4().hex}"
        await self._server.execute(f'create database "{name}" template "{template}"')
        for setting in await self._server.fetch(_SETTINGS, template, name):
            await self._server.execute(setting[0])
        return name

    async def _forget(self, database: _Database) -> None:
        database.connection.terminate()
        await self._drop(database.name)

    async def _drop(self, name: str) -> None:
        await self._server.execute(f'drop database if exists "{name}" with (force)')

    def _address(self, name: str) -> str:
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))


async def _require_closed(connection: Any, database: str) -> None:
    """Wait until no other connection to the database is left; LeftOpen tells what each did last."""
    deadline = time.monotonic() + _CLOSED_WITHIN
    while left := await connection.fetch(_LEFT_OPEN, database):
        if time.monotonic() > deadline:
            raise LeftOpen("connections left open: " + "; ".join(row[0] for row in left))
        await asyncio.sleep(0.005)


async def _emptying(connection: Any) -> str:
    """Return what brings the database's rows and sequences back to how they are now."""
    tables = await connection.fetch(_TABLES)
    statements = [row["emptied"] for row in tables]
    for row in tables:
        rows = await connection.fetchval(_ROWS.format(row["name"]))
        if rows is not None:
            statements.append(await connection.fetchval(_PUT_BACK, row["name"], rows))
    statements += [row[0] for row in await connection.fetch(_SEQUENCES)]
    return "; ".join(statements)
