"""In how many lanes do tests run here, and on which servers does each?

A lane runs one job at a time, on a PostgreSQL and a Kafka that no other lane uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from portal_launcher.faults import DID_NOT_START, Fault
from portal_launcher.kafka import accepts
from portal_launcher.run_file import read_run

Job = TypeVar("Job")

MOST: Final = "PORTAL_TEST_LANES"
"""The variable that asks for fewer lanes, or for more."""

GIB: Final = 1024**3
NEEDED: Final = 3 * GIB
"""Bytes of memory a lane: PostgreSQL, Kafka, a portal and the tests."""


class Lane:
    """Runs one job at a time."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._process: asyncio.subprocess.Process | None = None
        self._where: dict[str, str] = {}

    async def servers(self) -> Mapping[str, str]:
        """Say, as variables for tests, where this lane's servers are; bring them up if they are not there."""
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "portal_launcher.backend",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL if self.number else None,
                start_new_session=True,
            )
            answer = await self._process.stdout.readline() if self._process.stdout else b""
            if not answer:
                raise Fault(DID_NOT_START, "PostgreSQL and Kafka did not start; ./portal doctor may say why.")
            self._where = json.loads(answer)
        return self._where

    async def lost_a_server(self) -> bool:
        """Tell whether a server of this lane is not the one that came up: it died, and may be there again."""
        if self._process is None:
            return False
        if self._process.returncode is not None:
            return True
        run = read_run(Path(self._where["PORTAL_TEST_STATE"]) / "run.json")
        if run is not None and any(record.restarts for record in run.processes):
            return True
        database = urlsplit(self._where["PORTAL_TEST_DATABASE_URL"])
        kafka = urlsplit(f"//{self._where['PORTAL_TEST_KAFKA']}")
        return not all([await accepts(place.port) for place in (database, kafka) if place.port])

    async def close(self) -> None:
        """Stop its servers and remove their data."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()  # its input ends, and so does the process
        await process.wait()


async def in_lanes(jobs: Iterable[Job], count: int, run: Callable[[Lane, Job], Awaitable[None]]) -> None:
    """Run jobs in so many lanes, each job in whichever lane is free first; their servers end with them."""
    waiting = iter(jobs)

    async def work(number: int) -> None:
        lane = Lane(number)
        try:
            for job in waiting:
                await run(lane, job)
        finally:
            await asyncio.shield(lane.close())

    async with asyncio.TaskGroup() as lanes:
        for number in range(count):
            lanes.create_task(work(number))


def lanes_here() -> tuple[int, str]:
    """Return how many lanes this machine carries, and why."""
    if asked := os.environ.get(MOST):
        return max(1, int(asked)), f"{MOST}={asked}"
    return lanes_for(len(os.sched_getaffinity(0)), memory())


def lanes_for(cores: int, memory: int) -> tuple[int, str]:
    """Return how many lanes so many cores and bytes carry, and why."""
    fitting = memory // NEEDED
    if fitting < cores:
        return max(1, fitting), f"{memory / GIB:.0f} GiB of memory"
    return cores, "one core" if cores == 1 else f"{cores} cores"


def memory(root: Path = Path("/")) -> int:
    """Return the bytes of memory that processes here may use."""
    total = next(
        int(line.split()[1]) * 1024
        for line in (root / "proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal:")
    )
    with contextlib.suppress(OSError, ValueError):
        return min(total, int((root / "sys/fs/cgroup/memory.max").read_text()))
    return total
