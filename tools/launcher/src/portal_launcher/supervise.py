"""How are the portal's processes started, kept alive and stopped?

Each program runs in a session of its own, so that a Ctrl-C reaches the launcher alone and one signal ends a
program with its children. A program that dies is started again with growing pauses and named in one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal_launcher.faults import DID_NOT_START, Fault
from portal_launcher.processes import die_with_parent, group_members, identify, signal_group
from portal_launcher.run_file import ProcessRecord

STOP_WITHIN = 10.0  # seconds, then SIGKILL
START_ATTEMPTS = 3
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds between restarts: all recovers within 30 once it can
CALM = 60.0  # seconds of life after which a death counts as the first again
ROTATE_AT = 10 * 1024**2  # bytes

Ready = Callable[[], Awaitable[bool]]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """What to run and how to end it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    directory: Path
    stop_signal: int = signal.SIGTERM
    user: str | None = None
    port: int | None = None
    http: bool = False
    metrics_port: int | None = None


@dataclass
class Child:
    """A program and its present process."""

    program: Program
    process: asyncio.subprocess.Process
    record: ProcessRecord
    deaths: int = 0
    last_end: str = ""
    stopping: bool = False
    watch: asyncio.Task[None] | None = field(default=None, repr=False)


class Supervisor:
    """Runs programs until told to stop; `changed` is called whenever pids change."""

    def __init__(self, say: Say, changed: Callable[[], None]) -> None:
        self._say = say
        self._changed = changed
        self._children: dict[str, Child] = {}
        self._stopping = False

    def records(self) -> list[ProcessRecord]:
        """Describe every program that should run."""
        return [child.record for child in self._children.values()]

    async def start(
        self,
        program: Program,
        ready: Ready,
        within: float = 60.0,
        patient: Callable[[], bool] = lambda: False,
    ) -> None:
        """Start a program and wait until it is ready; give up when it keeps dying or takes too long.

        As long as it is `patient`, it waits for what only people or time can mend.
        """
        rotate(program.log)
        process = await spawn(program)
        child = Child(program, process, describe(program, process))
        self._children[program.name] = child
        self._changed()
        child.watch = asyncio.create_task(self._watch(child))
        deadline = time.monotonic() + within
        while not await ready():
            if child.deaths >= START_ATTEMPTS:
                raise Fault(DID_NOT_START, failure(program, child.last_end))
            if patient():
                deadline = time.monotonic() + within
            elif time.monotonic() > deadline:
                raise Fault(DID_NOT_START, failure(program, f"was not ready within {within:.0f} s"))
            await asyncio.sleep(0.05)

    async def run(self, program: Program) -> None:
        """Run a program to its end; a failure is a fault."""
        rotate(program.log)
        process = await spawn(program)
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                signal_group(process.pid, signal.SIGKILL)
                await process.wait()
        if code != 0:
            raise Fault(DID_NOT_START, failure(program, describe_end(code)))

    async def stop(self, order: Iterable[Iterable[str]]) -> None:
        """Stop everything, one set of names after another; each set at once."""
        self._stopping = True
        for names in order:
            children = [self._children[name] for name in names if name in self._children]
            await asyncio.gather(*(self._stop_one(child) for child in children))

    async def _watch(self, child: Child) -> None:
        while True:
            code = await child.process.wait()
            if child.stopping or self._stopping:
                return
            lived = time.time() - child.record.since
            child.deaths = 1 if lived > CALM else child.deaths + 1
            child.last_end = describe_end(code)
            signal_group(child.process.pid, signal.SIGKILL)
            pause = min(FIRST_PAUSE * 2 ** (child.deaths - 1), LONGEST_PAUSE)
            self._say(
                f"{child.program.name} {child.last_end}; starting it again in {pause:.1f} s "
                f"(log: {child.program.log})"
            )
            await asyncio.sleep(pause)
            child.process = await spawn(child.program)
            child.record = describe(child.program, child.process, restarts=child.record.restarts + 1)
            self._changed()

    async def _stop_one(self, child: Child) -> None:
        child.stopping = True
        group = child.process.pid
        if child.process.returncode is None:
            signal_group(group, child.program.stop_signal)
            try:
                await asyncio.wait_for(child.process.wait(), STOP_WITHIN)
            except TimeoutError:
                self._say(f"{child.program.name} did not stop within {STOP_WITHIN:.0f} s and was killed")
        if group_members(group):
            signal_group(group, signal.SIGKILL)
        await child.process.wait()
        while group_members(group):  # noqa: ASYNC110  killed, not gone yet, and the kernel tells nobody
            await asyncio.sleep(0.01)
        if child.watch is not None:
            child.watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await child.watch
        del self._children[child.program.name]


async def spawn(program: Program) -> asyncio.subprocess.Process:
    """Start the process, its output going to the end of its log."""
    log = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    options: dict[str, Any] = {}
    if program.user is not None:
        options = {"user": program.user, "group": "nogroup", "extra_groups": []}
    try:
        return await asyncio.create_subprocess_exec(
            *program.command,
            env=dict(program.environment),
            cwd=program.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(program.stop_signal),
            **options,
        )
    finally:
        os.close(log)


def describe(program: Program, process: asyncio.subprocess.Process, restarts: int = 0) -> ProcessRecord:
    """Record a process so that a later launcher can recognise it."""
    identity = identify(process.pid)
    return ProcessRecord(
        name=program.name,
        pid=process.pid,
        started=identity.started if identity else 0,
        stop_signal=int(program.stop_signal),
        log=str(program.log),
        since=time.time(),
        restarts=restarts,
        port=program.port,
        http=program.http,
        metrics_port=program.metrics_port,
    )


def describe_end(code: int) -> str:
    """Say how a process ended."""
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def failure(program: Program, what: str) -> str:
    """Say that a program did not come up, with its last words."""
    words = last_line(program.log)
    return f"{program.name} {what}; the log is {program.log}" + (f" and ends with: {words}" if words else ".")


def last_line(log: Path) -> str:
    """Read the last line of a log that says something."""
    with contextlib.suppress(OSError):
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip()[:300] if lines else ""
    return ""


def rotate(log: Path) -> None:
    """Begin a new log when the old one has grown large; one old one is kept."""
    if log.exists() and log.stat().st_size > ROTATE_AT:
        log.replace(log.with_suffix(".log.1"))
