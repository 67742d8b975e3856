"""How does a test get a process of its own in a third of a second, when its imports alone take three?

All tests are imported once; for each run a process forks, and imports anew what only tests import, so that
they see what their conftest.py has planted.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final, NoReturn

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
_QUIETLY: Final = ("-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
"""Plugins that the product has imported already need not be rewritten."""

_PATIENCE: Final = 900  # seconds a run: the people of a portal that never answers again give up after 300
_SOON: Final = 4.0  # seconds for a test to tidy up when it is interrupted


class _Collection:
    """Learns, as a plugin of pytest, which tests need a server, and what only tests import."""

    def __init__(self) -> None:
        self.connected: dict[str, bool] = {}
        self.late: list[str] = []

    def pytest_sessionstart(self) -> None:
        self._before = set(sys.modules)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            marked = item.get_closest_marker("connected") is not None
            self.connected[item.nodeid] = marked or "servers" in getattr(item, "fixturenames", ())
        self.late = [name for name in set(sys.modules) - self._before if _is_ours(sys.modules[name])]


def _is_ours(module: ModuleType) -> bool:
    file: str | None = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(ROOT) and not file.startswith(sys.prefix)


@dataclass(frozen=True)
class Tests:
    """Tests that are imported: for each whether it needs a server; and the modules that only tests import."""

    connected: Mapping[str, bool]
    late: Sequence[str]


def collect(tests: Sequence[str]) -> Tests:
    """Import these tests; one without its parameters stands for all of them."""
    collection = _Collection()
    with tempfile.TemporaryFile("w+") as said:
        with contextlib.redirect_stdout(said):
            code = pytest.main(["--collect-only", *_QUIETLY, *tests], plugins=[collection])
        said.seek(0)
        if code:
            raise LookupError(said.read())
    connected = {
        test: any(
            needs
            for item, needs in collection.connected.items()
            if item == test or item.startswith(f"{test}[")
        )
        for test in tests
    }
    return Tests(connected, collection.late)


class Runner:
    """Runs tests one after another, each time in a fork of what is imported now."""

    def __init__(self, tests: Tests) -> None:
        self._ours, theirs = socket.socketpair()
        sys.stdout.flush()
        self._pid = os.fork()
        if not self._pid:
            self._ours.close()
            _serve(theirs, tests.late)
        theirs.close()
        self._ours.setblocking(False)

    async def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
        """Return pytest's exit code, below zero when it did not come to one, and what it said."""
        loop = asyncio.get_running_loop()
        with tempfile.TemporaryDirectory(prefix="test-") as folder:
            request = json.dumps([folder, arguments, dict(environment)]).encode() + b"\n"
            try:
                await loop.sock_sendall(self._ours, request)
                answer = await loop.sock_recv(self._ours, 100)
            except asyncio.CancelledError:
                self._interrupt(signal.SIGINT)
                raise
            if not answer:
                raise ConnectionResetError("the process that forks for each test is gone")
            return int(answer), _said(Path(folder)).read_text(errors="replace")

    def close(self) -> None:
        """Interrupt what still runs; end it, if that does not help."""
        self._ours.close()
        self._interrupt(signal.SIGINT)
        until = time.monotonic() + _SOON
        while not os.waitpid(self._pid, os.WNOHANG)[0]:
            if time.monotonic() > until:
                self._interrupt(signal.SIGKILL)
            time.sleep(0.02)

    def _interrupt(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, number)


def _said(folder: Path) -> Path:
    return folder / "said"


def _serve(requests: socket.socket, late: Sequence[str]) -> NoReturn:
    """Fork for each request and answer with the exit code, until nobody asks any more."""
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the test, which tidies up
        with requests.makefile("rw") as stream:
            for line in stream:
                child = os.fork()
                if not child:
                    _run(late, *json.loads(line))
                stream.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
                stream.flush()
    except BrokenPipeError:
        pass
    finally:
        os._exit(0)


def _run(
    late: Sequence[str], folder: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> NoReturn:
    """Become the process of one run: what it prints and leaves behind lies in the folder."""
    code = -1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.alarm(_PATIENCE)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor in (1, 2):
            os.dup2(os.open(_said(Path(folder)), os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
        os.environ |= environment
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        _forget(late)
        code = int(pytest.main([*_QUIETLY, *arguments]))
    except BaseException:  # noqa: BLE001  a fork must not go on as its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


def _forget(modules: Sequence[str]) -> None:
    """Have them imported anew, from wherever they are asked for."""
    for name in modules:
        package, _, itself = name.rpartition(".")
        del sys.modules[name]
        if package in sys.modules:
            vars(sys.modules[package]).pop(itself, None)
