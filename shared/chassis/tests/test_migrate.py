"""Are migrations applied once, however many processes start at the same moment?"""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import asyncpg
import pytest

from portal_chassis.migrate import MigrationError, migrate

PROGRAM = """
import asyncio, sys
from pathlib import Path
from portal_chassis.migrate import migrate
first, second = (Path(sys.argv[2]), "first_migration"), (Path(sys.argv[3]), "second_migration")
asyncio.run(migrate(sys.argv[1], first, second))
"""


def write(file: Path, sql: str, *, mode: str = "") -> None:
    file.write_text(f"-- migrate:up {mode}\n{sql}\n-- migrate:down\n")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    write(
        first / "0001_one.sql", "create table one (n int); insert into one values (1); select pg_sleep(0.5);"
    )
    # Waits for every other transaction's snapshot: it would deadlock with a lock that others wait for.
    index = "create index concurrently one_n on one (n);"
    write(first / "0002_index.sql", index, mode="transaction:false")
    write(second / "0001_two.sql", "create table two as select * from one;")
    return first, second


@pytest.mark.connected
async def test_hazard_four_processes_migrate_at_once(database_url: str, folders: tuple[Path, Path]) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, database_url, *map(str, folders), stdout=PIPE, stderr=PIPE
        )
        for _ in range(4)
    ]
    async with asyncio.timeout(60):
        outputs = [await process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("select count(*) from one") == 1
    assert await connection.fetchval("select count(*) from two") == 1
    applied = await connection.fetch("select version from first_migration order by version")
    assert [row["version"] for row in applied] == ["0001", "0002"]
    await connection.close()


@pytest.mark.connected
async def test_given_a_broken_migration_when_applied_then_the_error_says_which(
    database_url: str, folders: tuple[Path, Path]
) -> None:
    write(folders[1] / "0002_broken.sql", "create tabel three ();")
    with pytest.raises(MigrationError, match="0002_broken"):
        await migrate(database_url, (folders[0], "first_migration"), (folders[1], "second_migration"))


@pytest.mark.connected
async def test_given_no_such_folder_when_applied_then_the_error_names_it(
    database_url: str, tmp_path: Path
) -> None:
    with pytest.raises(MigrationError, match="nowhere"):
        await migrate(database_url, (tmp_path / "nowhere", "migration"))
