"""How does an operator save what only this service's database holds?"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg

from portal_chassis.operations.operation import Operated, Operation, OperationError
from portal_eventstore.backup.archive import BackupError
from portal_eventstore.backup.write import back_up

_FOLDER: Final = Path("backups")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to", type=Path, default=_FOLDER, metavar="FOLDER", help=f"where the file goes ({_FOLDER})"
    )


async def _run(operated: Operated, options: argparse.Namespace) -> int:
    tables = [table for _, table in operated.migrations]
    try:
        path, manifest = await back_up(
            operated.database_url, operated.service, operated.views, tables, options.to, datetime.now(UTC)
        )
    except BackupError as error:
        raise OperationError(str(error)) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise OperationError(f"the database cannot be read ({type(error).__name__}).") from error
    rows = sum(part.rows for part in manifest.parts.values())
    log = (
        f"the log up to position {manifest.head}, published up to {manifest.published}; " * operated.keeps_log
    )
    sys.stdout.write(f"{operated.service}: {path} ({path.stat().st_size:,} bytes): {log}{rows:,} rows\n")
    return 0


BACKUP: Final = Operation(
    "backup", "save the store and every table that is no view into one file", _arguments, _run
)
