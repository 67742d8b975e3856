"""Does a run of tests say what failed, what was left behind and which server died, and end when told to?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portal_launcher.layout import ROOT
from portal_launcher.processes import identify

from .conftest import eventually

RUN = """
import asyncio, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs in the background ignores it
from portal_launcher.suite import Check, Part, Suite
servers, *files = sys.argv[1:]
jobs = [Part(file, ("-p", "conftest", "--rootdir", file, "-c", "/dev/null", file)) for file in files]
jobs = [Check("one", ["false"]), Check("two", ["true"]), *jobs] if servers == "checks" else jobs
sys.exit(asyncio.run(Suite(jobs, servers=servers == "servers").run()))
"""

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a folder with a file of tests, and return it."""

    def write_one(name: str, text: str) -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"test_{name}.py").write_text(textwrap.dedent(text))
        return str(folder)

    return write_one


@contextmanager
def started(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Start a run in a process of its own, which is told nothing of this one; it ends with the block."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PORTAL_TEST_")}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments],
        cwd=ROOT,
        env={**clean, "PORTAL_TEST_BACKEND": "local", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(*arguments: str, **variables: str) -> tuple[int, str]:
    with started(*arguments, **variables) as process:
        said, _ = process.communicate(timeout=240)
        return process.returncode, said


def test_given_tests_in_two_lanes_when_run_then_failures_are_shown_and_one_line_closes(write: Write) -> None:
    one = write("one", "def test_well(): pass\ndef test_ill(): assert 1 == 2\n")
    two = write("two", "import pytest\ndef test_well(): pass\ndef test_not(): pytest.skip('not here')\n")
    code, said = run("none", one, two, PORTAL_TEST_LANES="2")
    assert code == 1, said
    lines = said.splitlines()
    assert "2 lanes (PORTAL_TEST_LANES=2)" in lines[0]
    assert "assert 1 == 2" in said
    assert lines[-2].startswith("FAILED ")
    assert lines[-2].endswith("test_one.py::test_ill")
    assert "== 1 failed, 2 passed, 1 skipped in " in lines[-1]


def test_given_checks_when_run_then_what_failed_is_named(write: Write) -> None:
    code, said = run("checks", write("one", "def test_well(): pass\n"))
    assert code == 1
    assert "FAILED one" in said.splitlines()
    assert "== 1 passed in " in said.splitlines()[-1]


def test_given_a_selection_without_tests_when_run_then_it_has_not_passed(write: Write) -> None:
    code, said = run("none", write("none", ""))
    assert code == 5
    assert "== no tests ran in " in said.splitlines()[-1]


def test_given_a_process_that_ends_without_a_word_when_run_then_it_is_an_error(write: Write) -> None:
    code, said = run("none", write("dies", "import os\ndef test_dies(): os._exit(3)\n"))
    assert code == 1
    assert "dies ended with exit code 3" in said
    assert "== 1 error in " in said.splitlines()[-1]


def test_given_a_test_that_leaves_a_process_when_run_then_it_is_named_and_the_process_ended(
    write: Write,
) -> None:
    code, said = run(
        "none",
        write(
            "leaves",
            """
            import subprocess
            def test_before(): pass
            def test_leaves(): subprocess.Popen(["sleep", "600"], start_new_session=True).returncode = 0
            def test_after(): pass
            """,
        ),
    )
    assert code == 1, said
    [named] = [line for line in said.splitlines() if line.startswith("FAILED ")]
    assert "test_leaves.py::test_leaves left a process: sleep 600 (pid " in named
    assert identify(int(named.rpartition(" ")[2].rstrip(")"))) is None


@pytest.mark.connected
def test_given_a_server_of_the_lane_dies_when_run_then_its_tests_run_once_more_and_that_is_said(
    write: Write, tmp_path: Path
) -> None:
    been = tmp_path / "been"
    folder = write(
        "dies",
        f"""
        import asyncio, os, pathlib, signal, asyncpg
        async def ask():
            connection = await asyncpg.connect(os.environ["PORTAL_TEST_DATABASE_URL"])
            try:
                return await connection.fetchval("select 1")
            finally:
                await connection.close()
        def test_dies():
            data, been = pathlib.Path(os.environ["PORTAL_TEST_PG_DATA"]), pathlib.Path({str(been)!r})
            if not been.exists():
                been.touch()
                os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            assert asyncio.run(ask()) == 1
        """,
    )
    code, said = run("servers", folder)
    assert code == 0, said
    assert f"{folder}: a server of lane 1 died; once more on new ones" in said
    assert "== 1 passed in " in said.splitlines()[-1]


@pytest.mark.connected
def test_given_a_run_under_way_when_interrupted_then_lanes_and_servers_end(
    write: Write, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    text = f"""
        import os, pathlib, signal, subprocess, time
        def test_waits():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            child = subprocess.Popen(["sleep", "600"], start_new_session=True)
            pathlib.Path({str(begun)!r}).write_text(f"{{child.pid}} {{os.environ['PORTAL_TEST_STATE']}}")
            time.sleep(600)
        """
    with started("servers", write("waits", text)) as process:
        eventually(lambda: begun.exists() and begun.read_text() != "", "the test runs")
        child, state = begun.read_text().split()
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        process.communicate(timeout=60)
    took = time.monotonic() - began
    assert identify(int(child)) is None
    assert not Path(state).exists()
    assert took < 15, f"{took:.1f} s; on an idle machine it is less than 5"
