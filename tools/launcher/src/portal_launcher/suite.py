"""How does a run of tests go: in which lane each folder, and what is said of all of them at the end?"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from portal_launcher.lanes import Lane, in_lanes, lanes_here
from portal_launcher.layout import ROOT
from portal_launcher.leftovers import JOB, end_leftovers
from portal_launcher.processes import die_with_parent
from portal_launcher.progress import Progress, show

NOTES: Final = "PORTAL_TEST_NOTES"
"""The file in which a process of tests writes what the run wants to know of it."""

WHOLE_RUN: Final = "PORTAL_TEST_WHOLE_RUN"
"""The folder of all these files, for the tests that look back on the whole run."""

ENDS: Final = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings", "error")
"""How tests end, in the order of pytest's closing line."""

LONGEST: Final = 1800.0
"""Seconds after which a process that has not ended has failed."""

GRACE: Final = 1.5
"""Seconds in which an interrupted process may end by itself."""

SETTLING: Final = 1.0
"""Seconds in which what ended tests have told to end may do so."""

NO_TESTS: Final = 5
"""pytest's exit code where a selection left none."""

SLOWEST: Final = 10
"""How many tests are named for the time they took."""


@dataclass(frozen=True)
class Check:
    """A program that is silent and ends with 0 where all is well."""

    name: str
    command: Sequence[str]


@dataclass(frozen=True)
class Part:
    """What one process of pytest is asked for; `looks_back` on all others, and so comes last."""

    name: str
    arguments: Sequence[str]
    looks_back: bool = False


@dataclass
class Ended:
    """How a process of tests has ended."""

    code: int
    output: str
    seconds: float
    counts: Mapping[str, int]
    failed: Sequence[str] = ()
    slowest: Sequence[tuple[float, str]] = ()

    @property
    def well(self) -> bool:
        """Tell whether nothing failed."""
        return self.code in {0, NO_TESTS}


@dataclass
class Suite:
    """One run of checks and tests in lanes; `servers`: with a PostgreSQL and a Kafka for each lane.

    `variables` are told to the tests.
    """

    jobs: Sequence[Check | Part]
    servers: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    failed: list[str] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)

    async def run(self) -> int:
        """Run everything and sum up; 0 when all passed."""
        count, why = lanes_here()
        self.progress.say(f"{count} {'lane' if count == 1 else 'lanes'} ({why})")
        last = [job for job in self.jobs if isinstance(job, Part) and job.looks_back]
        with tempfile.TemporaryDirectory(prefix="portal-tests-") as folder:
            notes = Path(folder)

            async def one(lane: Lane, job: Check | Part) -> None:
                await (self._check(job) if isinstance(job, Check) else self._run(lane, job, notes))

            await in_lanes([job for job in self.jobs if job not in last], count, one)
            for job in last:
                self._report(job, await ran(job, notes, {WHOLE_RUN: folder}))
        counts = self._sum_up()
        if self.failed:
            return 1
        return 0 if not self.ended or counts["passed"] else NO_TESTS

    async def _check(self, job: Check) -> None:
        began = time.monotonic()
        code, output = await captured(job.command, {}, secrets.token_hex(8))
        self._say(job.name, "passed" if code == 0 else "FAILED", time.monotonic() - began)
        if code != 0:
            self.failed.append(job.name)
            show(output)

    async def _run(self, lane: Lane, job: Part, notes: Path) -> None:
        """Run tests; once more, on new servers, where one of the lane's died under them."""
        ended = await ran(job, notes, {**self.variables, **(await lane.servers() if self.servers else {})})
        if not ended.well and await lane.lost_a_server():
            show(ended.output)
            self.progress.say(f"{job.name}: a server of lane {lane.number + 1} died; once more on new ones")
            await lane.close()
            ended = await ran(job, notes, {**self.variables, **await lane.servers()})
        self._report(job, ended)

    def _report(self, job: Part, ended: Ended) -> None:
        self._say(job.name, in_words(ended.counts), ended.seconds)
        self.ended.append(ended)
        if not ended.well:
            self.failed += ended.failed or [f"{job.name} ended with exit code {ended.code}"]
            show(ended.output)

    def _say(self, name: str, how: str, seconds: float) -> None:
        self.progress.say(f"{name:<22}{how} in {seconds:.1f} s")

    def _sum_up(self) -> Counter[str]:
        """Name the slowest and what failed, and close as pytest does; return how many ended in which way."""
        slowest = sorted((slow for ended in self.ended for slow in ended.slowest), reverse=True)[:SLOWEST]
        for seconds, test in slowest:
            show(f"{seconds:7.1f} s  {test}")
        for name in self.failed:
            show(f"FAILED {name}")
        counts = Counter[str]()
        for ended in self.ended:
            counts.update(ended.counts)
        counts["error"] += sum(not ended.well and not ended.failed for ended in self.ended)
        took = dt.timedelta(seconds=int(self.progress.elapsed))
        closing = f" {in_words(counts)} in {self.progress.elapsed:.2f}s ({took}) "
        show(f"{closing:=^110}")
        return counts


def in_words(counts: Mapping[str, int]) -> str:
    """Say how many tests ended in which way, as pytest does."""
    return ", ".join(f"{counts[end]} {end}" for end in ENDS if counts.get(end)) or "no tests ran"


async def ran(job: Part, notes: Path, told: Mapping[str, str]) -> Ended:
    """Run one process of pytest; what it leaves behind is a failure of its own."""
    mark, began = secrets.token_hex(8), time.monotonic()
    file = notes / f"{mark}.json"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *job.arguments]
    code, output = await captured(command, {**told, NOTES: str(file)}, mark)
    left = [str(each) for each in end_leftovers(mark, SETTLING)]
    noted = json.loads(file.read_text()) if file.exists() else {"counts": {}}
    return Ended(
        code or (1 if left else 0),
        "\n".join([output, *left]),
        time.monotonic() - began,
        noted["counts"],
        [*noted.get("failed", ()), *left],
        [(seconds, test) for seconds, test in noted.get("slowest", ())],
    )


async def captured(command: Sequence[str], told: Mapping[str, str], mark: str) -> tuple[int, str]:
    """Run a program to its end; return its exit code and what it said. What it starts carries the mark."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, **told, JOB: mark},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # a Ctrl-C comes from here, and once
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    try:
        async with asyncio.timeout(LONGEST):
            output, _ = await process.communicate()
    except TimeoutError:
        return 1, f"did not end within {LONGEST:.0f} s"
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), GRACE)
            end_leftovers(mark, 0)
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace").rstrip()
