"""How does a whole portal, with a bare endpoint beside it, stand ready to be measured?

As `./portal up` starts it, on the benchmark's own PostgreSQL and Kafka, empty.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from portal_launcher.layout import ROOT
from portal_launcher.ports import internal_ports
from portal_launcher.processes import die_with_parent
from portal_launcher.readiness import ask_now
from portal_launcher.run_file import Run, read_run
from portal_launcher.services import SERVICES

DATABASES: Final = tuple(each.name for each in SERVICES)
_START_SECONDS: Final = 120.0
_QUIET_SHARE: Final = 0.15
_QUIET_WITHIN_SECONDS: Final = 60.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Portal:
    """A portal and the bare endpoint; `databases` are addresses by service.

    `port` is the gateway's, `bare` the floor's, `spare` is free for something to compare with.
    """

    state: Path
    port: int
    bare: int
    spare: int
    databases: Mapping[str, str]
    bare_pid: int

    @property
    def run(self) -> Run:
        """Return what the launcher noted down."""
        found = read_run(self.state / "run.json")
        if found is None:
            raise RuntimeError(f"the portal of {self.state} has ended")
        return found

    def cpu(self) -> dict[str, float]:
        """Return the seconds of CPU that each part has used: the portal's processes and their servers."""
        leaders = {record.name: record.pid for record in self.run.processes} | _servers()
        leaders["bare"] = self.bare_pid
        used = dict.fromkeys(leaders, 0.0)
        for status in _statuses():
            for name, leader in leaders.items():
                # PostgreSQL's children lead groups of their own.
                if leader in (status.pid, status.group, status.parent):
                    used[name] += status.seconds
        return used

    def settle(self) -> None:
        """Wait until nothing has much to do: relay and projections have caught up."""
        deadline = time.monotonic() + _QUIET_WITHIN_SECONDS
        busy = 1.0
        while busy > _QUIET_SHARE and time.monotonic() < deadline:
            before = sum(self.cpu().values())
            time.sleep(0.5)
            busy = (sum(self.cpu().values()) - before) / 0.5


@contextlib.contextmanager
def running_portal(server: str, kafka: str, state: Path) -> Iterator[Portal]:
    """Bring up an empty portal and the bare endpoint on fresh databases of `server`; end both."""
    state.mkdir(parents=True)
    databases = asyncio.run(_make_databases(server))
    ports = internal_ports(state, ["portal", "bare", "spare"])
    told = {k: v for k, v in os.environ.items() if not k.startswith(("DATABASE_URL", "KAFKA_"))}
    up = {
        **told,
        "PORTAL_STATE": str(state),
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        **{f"DATABASE_URL_{name.upper()}": databases[name] for name in DATABASES},
    }
    bare = {**told, "DATABASE_URL": databases["floor"]}
    with (
        (state / "output").open("wb") as output,
        _process(
            ["portal_launcher", "up", "--no-seed", "--port", str(ports["portal"])], up, output
        ) as launcher,
        _process(["portal_bench.bare", str(ports["bare"])], bare, output) as floor,
    ):
        deadline = time.monotonic() + _START_SECONDS
        while not (found := read_run(state / "run.json")) or not found.ready:
            if launcher.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the portal did not start; its logs are in {state / 'logs'}")
            time.sleep(0.1)
        while ask_now(ports["bare"]).missing == "no answer":
            time.sleep(0.1)
        yield Portal(state, ports["portal"], ports["bare"], ports["spare"], databases, floor.pid)


@contextlib.contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], output: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(  # noqa: S603  our own modules
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        stdout=output,
        stderr=output,
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509  no threads yet
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


async def _make_databases(server: str) -> dict[str, str]:
    made = {}
    connection = await asyncpg.connect(server)
    for name in (*DATABASES, "floor"):
        await connection.execute(f'create database "{name}"')
        made[name] = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    await connection.close()
    return made


def _servers() -> dict[str, int]:
    """Return PostgreSQL and Kafka, which whoever started this benchmark started beside it."""
    names = {"java": "kafka", "postgres": "postgres"}
    return {
        names[status.name]: status.pid
        for status in _statuses()
        if status.parent == os.getppid() and status.name in names
    }


@dataclass(frozen=True)
class _Status:
    """A line of /proc/PID/stat (proc_pid_stat(5)), as far as it matters here."""

    pid: int
    name: str
    parent: int
    group: int
    seconds: float


def _statuses() -> Iterator[_Status]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                start, _, rest = (entry / "stat").read_text().rpartition(") ")
                fields = rest.split()
                seconds = (int(fields[11]) + int(fields[12])) / _TICKS
                yield _Status(
                    int(entry.name), start.partition(" (")[2], int(fields[1]), int(fields[2]), seconds
                )
