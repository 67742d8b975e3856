"""How do a build's tables take the place of the view's, while everybody goes on reading?

In one transaction: the view's places are locked, so that nobody writes to the old tables any more; the build
is brought to at least them; then names change hands. Readers wait for the last part only, some milliseconds.
What cannot be locked at once is left alone and tried again, so that a long query never holds up all others.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

from portal_eventstore.editions import register, registered
from portal_eventstore.rebuild.build import Build, RebuildError
from portal_eventstore.rebuild.follow import Following, ends
from portal_eventstore.rebuild.tables import drop_emptied_schema, tables_in
from portal_eventstore.view import View

_PLACES_WAIT = "2s"
_TABLES_WAIT = "100ms"
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_PATIENCE = 120.0  # seconds

_LOCK_PLACES = """
select topic, partition, next_offset from projection_position where view = $1
order by topic, partition for update
"""
# A table that went over to another view is that one's now.
_OLD_TABLES = """
select name from unnest($2::text[]) as name
where to_regclass('public.' || quote_ident(name)) is not null
and not exists (select from projection_view v where v.view <> $1 and name = any (v.tables))
"""
_GRANTS = """
select format('grant %s on public.%I to %s%s', g.privilege_type, c.relname,
    case when g.grantee = 0 then 'public' else quote_ident(r.rolname) end,
    case when g.is_grantable then ' with grant option' else '' end) as grant
from pg_class c cross join aclexplode(c.relacl) g left join pg_roles r on r.oid = g.grantee
where c.relnamespace = 'public'::regnamespace and c.relname = any ($1) and g.grantee <> c.relowner
"""
_KEEP_FRESH = """
update projection_position n set (end_offset, fresh_at) = (o.end_offset, o.fresh_at)
from projection_position o
where n.view = $1 and o.view = $2 and n.topic = o.topic and n.partition = o.partition and n.fresh_at is null
"""
# The build has met every event again: what waits now is what it could not apply.
_DROP_PARKED = """
delete from parked o where o.view = $2 and (o.status = 'waiting' or exists (
    select from parked n where n.view = $1
    and (n.topic, n.partition, n.record_offset) = (o.topic, o.partition, o.record_offset)
))
"""
_RENAME_PARKED = "update parked set view = $2 where view = $1"
_REPLACED = """
update projection_view set built_at = now(), replaced = array_remove(
    case when $2::text is null then replaced else array_append(array_remove(replaced, $2), $2) end, edition)
where view = $1
"""
_BLOCKING = """
select distinct l.pid from pg_locks l
join pg_class c on c.oid = l.relation
where c.relnamespace = 'public'::regnamespace and c.relname = any ($1) and l.granted
and l.pid <> pg_backend_pid()
and l.database = (select oid from pg_database where datname = current_database())
order by l.pid
"""


async def switch(build: Build, following: Following, view: View[Any]) -> None:
    """Put the build in the place of `view`'s tables; raises RebuildError when they stay locked."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + _PATIENCE
    pause = _SHORTEST_PAUSE
    while True:
        # Outside the lock, so that little is left to be done inside it.
        await following.to(await ends(build))
        try:
            await _switch_once(build, following, view)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if clock() > deadline:
                raise RebuildError(await _blocked(build, view)) from None
        except asyncpg.DependentObjectsStillExistError:
            raise RebuildError(
                f"The old tables of {view.name} cannot be dropped: something else in the database was made "
                "of them; drop that, and run the rebuild again."
            ) from None
        else:
            return
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _switch_once(build: Build, following: Following, view: View[Any]) -> None:
    async with build.pool.acquire() as connection, connection.transaction():
        await connection.execute(f"set local lock_timeout = '{_PLACES_WAIT}'")
        places = {(row[0], row[1]): row[2] for row in await connection.fetch(_LOCK_PLACES, view.name)}
        await _bring_to(build, following, places)
        await connection.execute(f"set local lock_timeout = '{_TABLES_WAIT}'")
        await build.guard(connection)
        await _replace(build, view, connection)


async def _bring_to(build: Build, following: Following, places: Mapping[tuple[str, int], int]) -> None:
    """Apply what the live tables hold; a place beyond Kafka's end was of another topic of that name."""
    held = await ends(build)
    await following.to({tp: min(offset, held[tp]) for tp, offset in places.items() if tp in held})


async def _replace(build: Build, view: View[Any], connection: Any) -> None:
    known = await registered(connection, view.name)
    tables = await tables_in(connection, build.name)
    old = await connection.fetch(
        _OLD_TABLES, view.name, sorted({*tables, *(known.tables if known is not None else ())})
    )
    grants = [row["grant"] for row in await connection.fetch(_GRANTS, tables)]
    if old:
        await connection.execute("drop table " + ", ".join(f'public."{row["name"]}"' for row in old))
    for table in tables:
        await connection.execute(f'alter table "{build.name}"."{table}" set schema public')
    for grant in grants:
        await connection.execute(grant)
    await connection.execute(_KEEP_FRESH, build.name, view.name)
    await connection.execute("delete from projection_position where view = $1", view.name)
    await connection.execute(
        "update projection_position set view = $1 where view = $2", view.name, build.name
    )
    await connection.execute(_DROP_PARKED, build.name, view.name)
    await connection.execute(_RENAME_PARKED, build.name, view.name)
    await register(connection, view)
    other = known.edition if known is not None and known.edition != view.edition else None
    await connection.execute(_REPLACED, view.name, other)
    await connection.execute("delete from projection_build where id = $1", build.id)
    await drop_emptied_schema(connection, build.name)


async def _blocked(build: Build, view: View[Any]) -> str:
    known = await registered(build.pool, view.name)
    rows = await build.pool.fetch(_BLOCKING, list(known.tables) if known is not None else [])
    pids = ", ".join(str(row["pid"]) for row in rows) or "none now"
    return (
        f"The tables of {view.name} stay locked (PostgreSQL's processes: {pids}); "
        "the build is kept: run the rebuild again to switch."
    )
