"""How does a backup get into a database, and when must it not?"""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import asyncpg

from portal_eventstore.backup.archive import Archive, BackupError, Manifest
from portal_eventstore.backup.write import applied
from portal_eventstore.postgres import APPEND_LOCK
from portal_eventstore.tables import kept_tables
from portal_eventstore.view import View

_HAS_EVENTS = "select to_regclass('event') is not null and exists (select from event)"
_SET = "select setval(to_regclass('public.' || quote_ident($1)), $2)"


async def load(connection: Any, archive: Archive, service: str, views: Iterable[View[Any]]) -> int:
    """Put a backup's rows in the place of an empty store's; returns how many. Raises BackupError.

    All in one transaction: a kill leaves the database as it was. What was written beside the log since the
    tables were made gives way; a store that holds events does not.
    """
    await _refuse_other(connection, archive.manifest, service)
    manifest = archive.manifest
    async with connection.transaction(isolation="read_committed"):
        await connection.execute("set local lock_timeout = '10s'")
        await connection.execute("select pg_advisory_xact_lock($1)", APPEND_LOCK)
        if await connection.fetchval(_HAS_EVENTS):
            raise BackupError(
                f"{service}'s store holds events, which a backup would replace: drop the database first, or "
                "restore without a backup what the store lacks of Kafka"
            )
        unknown = sorted(set(manifest.parts) - set(await kept_tables(connection, views)))
        if unknown:
            raise BackupError(f"the backup has a table that this portal has not: {unknown[0]}")
        for table in manifest.parts:
            await connection.execute(f'truncate "{table}" restart identity')
        try:
            for table, part in manifest.parts.items():
                await connection.copy_to_table(table, columns=part.columns, source=_source(archive, table))
        except asyncpg.UndefinedColumnError as error:
            raise BackupError("the backup has a column that this portal has not") from error
        for name, value in manifest.sequences.items():
            if value > 0:
                await connection.execute(_SET, name, value)
    return sum(part.rows for part in manifest.parts.values())


async def _refuse_other(connection: Any, manifest: Manifest, service: str) -> None:
    if manifest.service != service:
        raise BackupError(f"this is a backup of {manifest.service}, not of {service}")
    for table, versions in manifest.migrations.items():
        newer = sorted(set(versions) - set(await applied(connection, table)))
        if newer:
            raise BackupError(
                f"the backup is of a newer portal: it has migration {newer[-1]}, which this one has not"
            )


async def _source(archive: Archive, table: str) -> AsyncIterator[bytes]:
    for data in archive.chunks(table):
        yield data
