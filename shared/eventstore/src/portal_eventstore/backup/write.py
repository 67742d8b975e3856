"""How is everything of a service that no view holds saved in one file, from one moment?"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from portal_eventstore.backup.archive import FORMAT, BackupError, Manifest, Part, Writing
from portal_eventstore.tables import kept_tables
from portal_eventstore.view import View

_COLUMNS = """
select attname from pg_attribute
where attrelid = to_regclass('public.' || quote_ident($1)) and attnum > 0 and not attisdropped
order by attnum
"""
_SEQUENCES = """
select sequencename as name, coalesce(last_value, 0) as value from pg_sequences where schemaname = 'public'
"""
_ENDS = """
select (select coalesce(max(position), 0) from event) as head, (select published from relay) as published
"""
_HAS_LOG = "select to_regclass('event') is not null"
_ROWS: Final = "COPY "


async def back_up(
    database_url: str,
    service: str,
    views: Iterable[View[Any]],
    migrations: Sequence[str],
    folder: Path,
    now: datetime,
) -> tuple[Path, Manifest]:
    """Write `<service>-<time>.backup` into `folder`; raises BackupError.

    `migrations` are the tables that record them.
    """
    path = folder / f"{service}-{now:%Y%m%dT%H%M%SZ}.backup"
    try:
        writing = Writing(path)
    except OSError as error:
        raise BackupError(f"{folder} cannot be written to ({type(error).__name__})") from error
    try:
        connection = await asyncpg.connect(
            database_url, server_settings={"application_name": f"{service} backup"}
        )
        try:
            # One snapshot: what is appended meanwhile is in no table, or in all that it concerns.
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                manifest = await _write(connection, service, views, migrations, writing, now)
        finally:
            await connection.close()
        writing.finish(manifest)
    except OSError as error:
        writing.discard()
        raise BackupError(f"{path} could not be written ({type(error).__name__})") from error
    except BaseException:
        writing.discard()
        raise
    return path, manifest


async def _write(
    connection: Any,
    service: str,
    views: Iterable[View[Any]],
    migrations: Sequence[str],
    writing: Writing,
    now: datetime,
) -> Manifest:
    parts: dict[str, Part] = {}
    for table in await kept_tables(connection, views):
        columns = [name for (name,) in await connection.fetch(_COLUMNS, table)]
        part = writing.part(table)
        told = await connection.copy_from_table(table, columns=columns, output=part.write)
        parts[table] = Part(columns, int(told.removeprefix(_ROWS)), part.close())
    head, published = await connection.fetchrow(_ENDS) if await connection.fetchval(_HAS_LOG) else (0, 0)
    return Manifest(
        format=FORMAT,
        service=service,
        taken_at=now.isoformat(),
        migrations={table: await applied(connection, table) for table in migrations},
        head=head,
        published=published,
        sequences=dict(await connection.fetch(_SEQUENCES)),
        parts=parts,
    )


async def applied(connection: Any, table: str) -> list[str]:
    """Return the migrations that a table records."""
    rows = await connection.fetch(f'select version from "{table}" order by version')  # noqa: S608  our own name
    return [row["version"] for row in rows]
