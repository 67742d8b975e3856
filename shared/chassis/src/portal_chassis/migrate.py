"""How does a database get its tables, when several processes start at once?

dbmate applies plain SQL files; a session lock, taken by polling, lets one process at a time do so. A
blocking lock would deadlock with CREATE INDEX CONCURRENTLY, which waits for every older snapshot, that
wait's included.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import structlog

_LOCK: Final = 8_030_604_370_012_884_011
_POLL_SECONDS: Final = 0.1
_WAIT_SECONDS: Final = 120.0
_LOOPBACK: Final = frozenset({None, "", "localhost", "127.0.0.1", "::1"})

_log = structlog.get_logger()


class MigrationError(Exception):
    """The tables could not be brought up to date; the message holds dbmate's."""


async def migrate(database_url: str, *directories: tuple[Path, str]) -> None:
    """Apply each directory's migrations in turn, recording them in the table named beside it."""
    connection: Any = await asyncpg.connect(database_url)
    try:
        await _take_lock(connection)
        for directory, table in directories:
            if not directory.is_dir():
                raise MigrationError(f"there is no folder of migrations at {directory}")
            await _apply(database_url, directory, table)
    finally:
        await connection.close()  # and with it the lock


async def _take_lock(connection: Any) -> None:
    async with asyncio.timeout(_WAIT_SECONDS):
        # Who holds it is another process: there is no event to wait for.
        while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)


async def _apply(database_url: str, directory: Path, table: str) -> None:
    dbmate = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "dbmate"),
        "--migrations-dir",
        str(directory),
        "--migrations-table",
        table,
        "--no-dump-schema",
        "migrate",
        # In the environment, because arguments are for everybody on the machine to read.
        env={**os.environ, "DATABASE_URL": _for_dbmate(database_url)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await dbmate.communicate()
    if dbmate.returncode:
        raise MigrationError(output.decode(errors="replace").strip())
    _log.info("migrated", table=table)


def _for_dbmate(database_url: str) -> str:
    """Say that a local server has no TLS: dbmate's driver asks for it unless told otherwise."""
    parts = urlsplit(database_url)
    query = dict(parse_qsl(parts.query))
    if parts.hostname in _LOOPBACK:
        query.setdefault("sslmode", "disable")
    scheme = "postgres" if parts.scheme == "postgresql" else parts.scheme
    return urlunsplit(parts._replace(scheme=scheme, query=urlencode(query)))
