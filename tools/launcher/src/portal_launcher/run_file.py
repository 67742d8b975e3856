"""What runs in a state folder now? `run.json` tells the other subcommands, tests and the next start."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from portal_launcher.faults import ALREADY_RUNNING, Fault
from portal_launcher.processes import ProcessId, is_alive
from portal_secrets.files import write_private


@dataclass
class ProcessRecord:
    """One supervised process."""

    name: str
    pid: int
    started: int
    stop_signal: int
    log: str
    since: float
    restarts: int = 0
    port: int | None = None
    http: bool = False
    metrics_port: int | None = None

    @property
    def identity(self) -> ProcessId:
        """Name the process beyond its pid."""
        return ProcessId(self.pid, self.started)


@dataclass
class Run:
    """One running portal; passwords are in it, so the file is private."""

    pid: int
    started: int
    url: str
    port: int
    ports: dict[str, int] = field(default_factory=dict)
    bootstrap_servers: str = ""
    database_urls: dict[str, str] = field(default_factory=dict)
    postgres_data: str = ""
    kafka_data: str = ""
    secrets: str = ""
    mailbox: str = ""
    ready: bool = False
    processes: list[ProcessRecord] = field(default_factory=list)

    @property
    def launcher(self) -> ProcessId:
        """Name the launcher's process beyond its pid."""
        return ProcessId(self.pid, self.started)

    @property
    def is_running(self) -> bool:
        """Tell whether the launcher that wrote this still runs."""
        return is_alive(self.launcher)


def read_run(path: Path) -> Run | None:
    """Read run.json, or None when there is none or a crash left half of one."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        return Run(**{**raw, "processes": [ProcessRecord(**record) for record in raw["processes"]]})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_run(path: Path, run: Run) -> None:
    """Replace run.json atomically."""
    write_private(path, json.dumps(asdict(run), indent=1))


def take_lock(state: Path, url: str) -> IO[str]:
    """Hold the state folder for as long as the returned file is open, or say who does."""
    descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    lock = os.fdopen(descriptor, "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, address = lock.read().partition(" ")
        lock.close()
        raise Fault(
            ALREADY_RUNNING,
            f"The portal already runs at {address or 'an address not known yet'} (pid {pid or 'unknown'}); "
            "stop it with ./portal down.",
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()} {url}")
    lock.flush()
    return lock
