"""Is a program that will not stop ended in bounded time, and one that will not start given up?"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from portal_launcher import supervise
from portal_launcher.faults import Fault
from portal_launcher.processes import group_members
from portal_launcher.supervise import Program, Supervisor

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("up", flush=True)
time.sleep(600)
"""


def program(tmp_path: Path, code: str) -> Program:
    return Program(
        "it", [sys.executable, "-c", code], dict(os.environ), log=tmp_path / "it.log", directory=tmp_path
    )


async def test_given_a_program_that_ignores_sigterm_when_stopped_then_it_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "STOP_WITHIN", 0.3)
    lines: list[str] = []
    supervisor = Supervisor(lines.append, lambda: None)

    async def is_up() -> bool:
        return "up" in (tmp_path / "it.log").read_text()

    await supervisor.start(program(tmp_path, STUBBORN), is_up)
    [record] = supervisor.records()
    assert len(group_members(record.pid)) == 2
    began = time.monotonic()
    await supervisor.stop([["it"]])
    assert time.monotonic() - began < 5
    assert group_members(record.pid) == []
    assert any("was killed" in line for line in lines)


async def test_given_a_program_that_dies_each_time_when_started_then_given_up_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "FIRST_PAUSE", 0.01)
    lines: list[str] = []
    supervisor = Supervisor(lines.append, lambda: None)

    async def never() -> bool:
        return False

    with pytest.raises(Fault, match=r"it ended with exit code 3.*no such luck"):
        await supervisor.start(program(tmp_path, "print('no such luck'); raise SystemExit(3)"), never)
    await supervisor.stop([["it"]])
    assert len(lines) >= supervise.START_ATTEMPTS


async def test_given_a_program_that_never_gets_ready_when_started_then_given_up_in_time(
    tmp_path: Path,
) -> None:
    supervisor = Supervisor(lambda _: None, lambda: None)

    async def never() -> bool:
        return False

    with pytest.raises(Fault, match="not ready within 0 s"):
        await supervisor.start(program(tmp_path, "import time; time.sleep(600)"), never, within=0.2)
    await supervisor.stop([["it"]])
    await asyncio.sleep(0)


async def test_given_a_program_that_waits_for_a_repair_when_started_then_it_is_waited_for(
    tmp_path: Path,
) -> None:
    supervisor = Supervisor(lambda _: None, lambda: None)
    asked = 0

    async def after_the_repair() -> bool:
        nonlocal asked
        asked += 1
        return asked > 20

    await supervisor.start(
        program(tmp_path, "import time; time.sleep(600)"), after_the_repair, within=0.1, patient=lambda: True
    )
    await supervisor.stop([["it"]])
    assert asked > 20


async def test_given_a_program_that_says_why_it_takes_long_when_started_then_it_is_waited_for(
    tmp_path: Path,
) -> None:
    supervisor = Supervisor(lambda _: None, lambda: None)
    asked = 0

    async def late() -> bool:
        nonlocal asked
        asked += 1
        # The reason ends some looks before the program is ready.
        return asked > 31

    long_running = program(tmp_path, "import time; time.sleep(600)")
    await supervisor.start(long_running, late, within=1.0, patient=lambda: asked < 30)
    await supervisor.stop([[long_running.name]])
