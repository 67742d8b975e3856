"""Is a recorded process still the one we started, and how is it ended with all its children?

A pid alone may have been given to a stranger since; pid and start time together name one process of one boot.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
POLL = 0.05
PATIENCE = 10.0  # seconds that a leftover gets before SIGKILL


@dataclass(frozen=True)
class ProcessId:
    """A process and when it started, in clock ticks since boot."""

    pid: int
    started: int


def identify(pid: int) -> ProcessId | None:
    """Name a living process, or None; a zombie counts as gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] == "Z" else ProcessId(pid, int(fields[19]))


def is_alive(process: ProcessId) -> bool:
    """Tell whether this very process still runs."""
    return identify(process.pid) == process


def group_members(group: int) -> list[int]:
    """List the living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[2]) == group:
            found.append(int(entry.name))
    return found


def signal_group(group: int, number: int) -> None:
    """Send a signal to a whole process group, if it is still there."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def stop_leftovers(leftovers: Iterable[tuple[str, ProcessId, int]]) -> list[str]:
    """Stop process groups that a killed launcher left; return their names.

    Each leftover is a name, the group's leader and the signal that ends it cleanly.
    """
    living = [(name, leader, number) for name, leader, number in leftovers if is_alive(leader)]
    for _, leader, number in living:
        signal_group(leader.pid, number)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and any(group_members(leader.pid) for _, leader, _ in living):
        time.sleep(POLL)
    for _, leader, _ in living:
        signal_group(leader.pid, signal.SIGKILL)
    while any(group_members(leader.pid) for _, leader, _ in living):
        time.sleep(POLL)
    return [name for name, _, _ in living]


def die_with_parent(number: int) -> Callable[[], None]:
    """Make the function a child calls before exec: a launcher killed with -9 takes its children along.

    It runs after the child changed its user, which would have cleared the setting.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
