"""Which processes did a test leave behind, and which test?"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

JOB: Final = "PORTAL_TEST_JOB"
"""The variable that all processes inherit which tests start."""

DURING: Final = "PYTEST_CURRENT_TEST"
"""Set by pytest, and inherited in the same way."""


@dataclass(frozen=True)
class Leftover:
    """A process that outlived the tests that it was started for."""

    pid: int
    command: str
    test: str

    def __str__(self) -> str:
        return f"{self.test or 'a test'} left a process: {self.command} (pid {self.pid})"


def leftovers(job: str) -> list[Leftover]:
    """Find the living processes that carry this mark."""
    found = []
    for entry in Path("/proc").iterdir():
        # Whatever is not ours to read is not ours; and processes end while one looks.
        with contextlib.suppress(OSError):
            if not entry.name.isdigit():
                continue
            told = dict(part.partition("=")[::2] for part in read(entry / "environ"))
            if told.get(JOB) == job and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                command = " ".join(read(entry / "cmdline"))[:200]
                found.append(Leftover(int(entry.name), command, told.get(DURING, "").rpartition(" ")[0]))
    return found


def read(file: Path) -> list[str]:
    """Read what the kernel separates by zeros."""
    return [part for part in file.read_text(errors="replace").split("\0") if part]


def end_leftovers(job: str, settling: float) -> list[Leftover]:
    """Give what carries the mark so many seconds to end, kill the rest and return it."""
    deadline = time.monotonic() + settling
    while (left := leftovers(job)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for each in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each.pid, signal.SIGKILL)
    return left
