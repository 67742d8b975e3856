"""How does an operator bring a service's database back?

In an order that a kill at any moment cannot harm: tables, the backup where one is given, events from Kafka,
data keys, views. Run again, it goes on; until the store has all that Kafka has, nothing is written to it.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Final

import asyncpg

from portal_chassis.migrate import migrate
from portal_chassis.operations.operation import Operated, Operation, OperationError
from portal_eventstore.backup.archive import Archive, BackupError
from portal_eventstore.backup.load import load
from portal_eventstore.editions import create_tables
from portal_eventstore.history import LostHistoryError, SilentKafkaError
from portal_eventstore.rebuild.build import NEXT, RebuildError, build_name
from portal_eventstore.rebuild.lock import RunningError, is_running
from portal_eventstore.rebuild.rebuild import rebuild
from portal_eventstore.restore.events import Imported, RestoreError, import_events, only_restore
from portal_eventstore.restore.keys import restore_keys
from portal_eventstore.tables import OF_THE_LOG, kept_tables
from portal_eventstore.view import NO_ROWS

_SAID_EVERY: Final = 2.0
_LOOK_EVERY: Final = 0.5
_PASSWORDS: Final = "credential"
_BY_KAFKA: Final = ("issued_key", "parked", *OF_THE_LOG)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="BACKUP", help="begin with this backup's file"
    )
    parser.add_argument(
        "--leave-out-incomplete",
        action="store_true",
        help="leave out appends that Kafka does not hold whole, wherever they stand",
    )


async def _run(operated: Operated, options: argparse.Namespace) -> int:
    with _sentences(operated.service):
        archive = None if options.source is None else Archive.opened(options.source)
        await _require_database(operated)
        await migrate(operated.database_url, *operated.migrations)
        async with only_restore(operated.database_url, operated.service) as connection:
            if archive is not None:
                rows = await load(connection, archive, operated.service, operated.views)
                _say(f"{rows:,} rows from the backup of {archive.manifest.taken_at}")
            if operated.keeps_log:
                await _restore_log(connection, operated, leave_out=options.leave_out_incomplete)
            if archive is None:
                await _tell_lost(connection, operated)
        await _restore_views(operated)
    _say("restored; ./portal verify compares everything")
    return 0


async def _require_database(operated: Operated) -> None:
    try:
        connection = await asyncpg.connect(operated.database_url)
    except (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError):
        raise OperationError(
            f"{operated.service}'s database, or its role, does not exist on the server that is named for it "
            f"(DATABASE_URL_{operated.service.upper()}): create both and run this again."
        ) from None
    await connection.close()


async def _restore_log(connection: Any, operated: Operated, *, leave_out: bool) -> None:
    said_at = monotonic()

    def told(position: int, top: int) -> None:
        nonlocal said_at
        if monotonic() - said_at > _SAID_EVERY:
            said_at = monotonic()
            _say(f"position {position:,} of {top:,}")

    done = await import_events(
        connection, operated.service, operated.bootstrap_servers, told, leave_out_incomplete=leave_out
    )
    for line in _summary(done):
        _say(line)
    keys = await restore_keys(connection, operated.bootstrap_servers)
    if keys is not None:
        _say(f"{keys.held:,} patients' keys from patient.keys; {keys.erased:,} erased since were removed")


def _summary(done: Imported) -> Iterator[str]:
    yield (
        f"the store ended at position {done.before:,}, its relay had published up to "
        f"{done.published_before:,}; Kafka holds up to {done.top:,}"
    )
    yield f"{done.events:,} events imported"
    if done.dropped:
        yield (
            f"{done.dropped:,} events left out: Kafka does not hold the whole of their append "
            "(table dropped_event names them)"
        )
    if done.lost:
        yield (f"{done.lost:,} positions are in Kafka no more than here: never used, or lost unpublished")
    if done.unpublished:
        yield f"{done.unpublished:,} events of the store were never published: the relay goes on with them"
    yield "what stood above Kafka's highest position is lost; how much, only the lost database knew"


async def _tell_lost(connection: Any, operated: Operated) -> None:
    kept = await kept_tables(connection, operated.views)
    empty = [
        table
        for table in kept
        if table not in _BY_KAFKA and not await connection.fetchval(f'select exists (select from "{table}")')  # noqa: S608
    ]
    if empty:
        _say(f"Kafka does not hold these tables, and they are empty: {', '.join(empty)}")
    if _PASSWORDS in empty:
        _say("passwords are lost without a backup: people set new ones by mail (forgotten password)")


async def _restore_views(operated: Operated) -> None:
    async with asyncpg.create_pool(operated.database_url, min_size=1, max_size=2) as pool:
        await create_tables(pool, operated.views)
    for view in operated.views:
        if view.table == NO_ROWS:
            continue
        try:
            rebuilt = await rebuild(operated.database_url, operated.bootstrap_servers, view)
        except RunningError:
            # A worker has found that the tables are gone.
            _say(f"view {view.name}: another process builds it")
            await _until_built(operated.database_url, build_name(view.name, NEXT))
            continue
        _say(f"view {view.name}: {rebuilt.records:,} records read, digest {rebuilt.comparison.digest}")


async def _until_built(database_url: str, build: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        while await is_running(connection, build):  # noqa: ASYNC110  another process: no event tells
            await asyncio.sleep(_LOOK_EVERY)
    finally:
        await connection.close()


@contextmanager
def _sentences(service: str) -> Iterator[None]:
    try:
        yield
    except (RestoreError, BackupError, RebuildError, LostHistoryError) as error:
        raise OperationError(str(error)) from error
    except SilentKafkaError as error:
        raise OperationError(f"{error}; run ./portal restore {service} again when it does.") from error
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
        raise OperationError(
            f"PostgreSQL does not answer ({type(error).__name__}); "
            f"run ./portal restore {service} again to go on."
        ) from error


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


RESTORE: Final = Operation(
    "restore", "bring the database back from Kafka, and from a backup", _arguments, _run
)
