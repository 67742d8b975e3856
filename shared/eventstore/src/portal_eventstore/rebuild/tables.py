"""How do a build's empty tables come about, bare, and how do they get their indexes afterwards?"""

from typing import Any

_INDEXES = """
select format('%I.%I', n.nspname, i.relname) as index, pg_get_indexdef(i.oid) as definition
from pg_index x
join pg_class i on i.oid = x.indexrelid
join pg_class t on t.oid = x.indrelid
join pg_namespace n on n.oid = t.relnamespace
where n.nspname = $1
and not exists (select from pg_constraint c where c.conindid = i.oid and c.contype <> 'f')
order by t.relname, i.relname
"""
# A primary key or a unique constraint takes over an index made as it was: its options survive.
_CONSTRAINTS = """
select format('%I.%I', n.nspname, t.relname) as table, quote_ident(c.conname) as name,
    c.contype::text as kind, pg_get_constraintdef(c.oid) as definition, pg_get_indexdef(c.conindid) as index,
    case when c.condeferrable then ' deferrable' else '' end
        || case when c.condeferred then ' initially deferred' else '' end as deferring
from pg_constraint c
join pg_class t on t.oid = c.conrelid
join pg_namespace n on n.oid = t.relnamespace
where n.nspname = $1 and c.contype in ('p', 'u', 'x', 'f')
order by array_position('{f,p,u,x}', c.contype::text), t.relname, c.conname
"""
_TABLES = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind in ('r', 'p') order by c.relname
"""
# Found before PostgreSQL's own by the build's connections: who listens is told nothing of what is long past.
_SILENCE = "create function \"{schema}\".pg_notify(text, text) returns void language sql as ''"
_KINDS = {"p": "primary key", "u": "unique"}


async def create_schema(connection: Any, schema: str, table_sql: str) -> None:
    """Create the schema, and in it what the view's SQL makes. The connection's search_path begins there."""
    await connection.execute(f'create schema "{schema}"')
    await connection.execute(_SILENCE.format(schema=schema))
    await connection.execute(table_sql)


async def drop_schema(connection: Any, schema: str) -> None:
    """Drop the schema with all that is in it, where there is one."""
    await connection.execute(f'drop schema if exists "{schema}" cascade')


async def drop_emptied_schema(connection: Any, schema: str) -> None:
    """Drop the schema whose tables were moved away; an error if anything else is in it."""
    await connection.execute(f'drop function "{schema}".pg_notify(text, text)')
    await connection.execute(f'drop schema "{schema}"')


async def tables_in(connection: Any, schema: str) -> list[str]:
    """Return the names of a schema's tables."""
    return [row["relname"] for row in await connection.fetch(_TABLES, schema)]


async def strip(connection: Any, schema: str) -> list[str]:
    """Drop all indexes and constraints; return the statements that make them again, in order."""
    indexes = await connection.fetch(_INDEXES, schema)
    constraints = await connection.fetch(_CONSTRAINTS, schema)
    for one in constraints:
        await connection.execute(f"alter table {one['table']} drop constraint {one['name']}")
    for index in indexes:
        await connection.execute(f"drop index {index['index']}")
    made: list[str] = []
    last: list[str] = []
    for one in constraints:
        add = f"alter table {one['table']} add constraint {one['name']}"
        if one["kind"] in _KINDS:
            made.append(one["index"])
            made.append(f"{add} {_KINDS[one['kind']]} using index {one['name']}{one['deferring']}")
        elif one["kind"] == "x":
            made.append(f"{add} {one['definition']}")
        else:
            last.append(f"{add} {one['definition']}")
    return [*made, *(index["definition"] for index in indexes), *last]
