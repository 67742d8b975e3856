"""How is a view rebuilt by one process at a time, and how does it learn that it no longer is the one?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from portal_eventstore.rebuild.build import RebuildError, application_name

_KEY = "hashtextextended('rebuild ' || $1::text, 0)"
_TRY = f"select pg_try_advisory_lock({_KEY})"
_HOLDER = f"""
select a.pid, to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as since
from pg_locks l join pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.granted
and l.database = (select oid from pg_database where datname = current_database())
and l.classid::bigint = ({_KEY} >> 32) & 4294967295 and l.objid::bigint = {_KEY} & 4294967295
"""  # noqa: S608  as above
_TERMINATE = """
select pg_terminate_backend(pid) from pg_stat_activity
where application_name = $1 and datname = current_database() and pid <> pg_backend_pid()
"""
_TRIES_SECONDS = 10.0
_POLL_SECONDS = 0.2


class RunningError(RebuildError):
    """Another process rebuilds the view."""


@asynccontextmanager
async def only_one(database_url: str, name: str) -> AsyncIterator[asyncio.Event]:
    """Be the one that works on a build for the block; raises RunningError.

    The event is set when PostgreSQL has ended the session, and the lock with it.
    """
    connection = await _connect(database_url, name)
    lost = asyncio.Event()
    try:
        if not await connection.fetchval(_TRY, name):
            raise RunningError(await _sentence(connection, name))
        connection.add_termination_listener(lambda _: lost.set())
        yield lost
    finally:
        if not connection.is_closed():
            await connection.close(timeout=5)


async def is_running(connection: Any, name: str) -> bool:
    """Tell whether some process works on a build."""
    return await connection.fetchrow(_HOLDER, name) is not None


@asynccontextmanager
async def taken_over(database_url: str, name: str) -> AsyncIterator[Any]:
    """End whoever works on a build; give a connection that holds the lock for the block."""
    # By another name than theirs: it must not end itself.
    connection = await asyncpg.connect(database_url, server_settings={"application_name": f"cancel {name}"})
    try:
        deadline = asyncio.get_running_loop().time() + _TRIES_SECONDS
        quiet = 0
        # Twice: a process that lost its session may open others until it knows.
        while quiet < 2:  # noqa: PLR2004
            ended = await connection.fetch(_TERMINATE, application_name(name))
            quiet = 0 if ended else quiet + 1
            await asyncio.sleep(_POLL_SECONDS)
            if asyncio.get_running_loop().time() > deadline:
                raise RunningError(await _sentence(connection, name))
        if not await connection.fetchval(_TRY, name):
            raise RunningError(await _sentence(connection, name))
        yield connection
    finally:
        await connection.close(timeout=5)


async def _connect(database_url: str, name: str) -> Any:
    return await asyncpg.connect(
        database_url,
        server_settings={
            "application_name": application_name(name),
            # A process that is stopped for long, or gone without a word, loses the lock.
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        },
    )


async def _sentence(connection: Any, name: str) -> str:
    holder = await connection.fetchrow(_HOLDER, name)
    who = f" (PostgreSQL's process {holder['pid']}, since {holder['since']} UTC)" if holder else ""
    return f"The build {name} is under way in another process{who}; end it with --cancel."
