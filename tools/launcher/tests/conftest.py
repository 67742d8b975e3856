"""How do the launcher's tests run a whole launcher, over stand-ins for the services?"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from portal_launcher.processes import is_alive
from portal_launcher.run_file import ProcessRecord, Run, read_run

FAKES = Path(__file__).with_name("fakes")
DEADLINE = 60.0  # seconds


def eventually(check: Callable[[], bool], what: str) -> None:
    """Wait until something holds; fail with its name when it does not."""
    deadline = time.monotonic() + DEADLINE
    while not check():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {DEADLINE:.0f} s: {what}")
        time.sleep(0.05)


@dataclass
class Launched:
    """A launcher in a process of its own."""

    state: Path
    port: int
    environment: Mapping[str, str]
    notes: Path
    arguments: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    output: Path | None = None

    def start(self, **more: str) -> Launched:
        """Start it and do not wait."""
        self.output = self.notes / f"output-{time.monotonic_ns()}"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, FAKES / "portal_of_fakes.py", str(self.port), *self.arguments],
                env={**self.environment, **more},
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        return self

    def ready(self) -> Launched:
        """Wait until it says that it is ready."""
        eventually(lambda: "ready in" in self.said() or self.has_ended(), "the launcher is ready")
        assert not self.has_ended(), self.said()
        return self

    def said(self) -> str:
        assert self.output is not None
        return self.output.read_text()

    def has_ended(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    def end(self) -> int:
        """Wait for the exit code."""
        assert self.process is not None
        return self.process.wait(DEADLINE)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def run(self) -> Run:
        run = read_run(self.state / "run.json")
        assert run is not None
        return run

    def record(self, name: str) -> ProcessRecord:
        return next(record for record in self.run().processes if record.name == name)

    def answers(self, port: int) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    """Prepare a launcher over stand-ins with a state of its own; nothing of it outlives the test."""
    notes, state = tmp_path / "notes", tmp_path / "state"
    notes.mkdir()
    given = ("DATABASE_URL", "KAFKA", "SMTP_URL")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(given)}
    environment = {**clean, "PORTAL_STATE": str(state), "PYTHONPATH": str(FAKES), "FAKE_NOTES": str(notes)}
    launcher = Launched(state, free_port(), environment, notes)
    yield launcher
    run = read_run(state / "run.json")
    if launcher.process is not None and not launcher.has_ended():
        launcher.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            launcher.process.wait(30)
        launcher.process.kill()
        launcher.process.wait()
    for record in run.processes if run else []:
        if is_alive(record.identity):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(record.pid, signal.SIGKILL)


@pytest.fixture
def beside_servers(launched: Launched, kafka_for_a_portal: str, database_url: str) -> Launched:
    """Prepare a launcher that is given its servers, as a test that is not about them wants it."""
    given = {"KAFKA_BOOTSTRAP_SERVERS": kafka_for_a_portal, "DATABASE_URL_BACK": database_url}
    launched.environment = {**launched.environment, **given, "DATABASE_URL_FRONT": database_url}
    return launched
