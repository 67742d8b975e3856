"""How does a test get a PostgreSQL or a Kafka of its own, which it may kill, starve and forbid?"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from portal_launcher.artifacts import fetch
from portal_launcher.java import find_java
from portal_launcher.kafka import Kafka, accepts
from portal_launcher.layout import Layout
from portal_launcher.ports import internal_ports
from portal_launcher.postgres import Postgres, data_folder, remove_data, unpack
from portal_launcher.supervise import Program, spawn

_START_SECONDS = 60.0


@dataclass
class Server:
    """A server's process, to be started again after it was killed."""

    program: Program
    ready: Callable[[], Awaitable[bool]]
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = await spawn(self.program)
        deadline = time.monotonic() + _START_SECONDS
        while not await self.ready():
            assert self.process.returncode is None, self.program.log.read_text()[-2_000:]
            assert time.monotonic() < deadline, f"{self.program.name} did not start"
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """End it and the processes that it made, at once: none of them writes anything any more."""
        assert self.process is not None
        # Stopped first, so that it makes no more of them.
        self.process.send_signal(signal.SIGSTOP)
        for pid in _children(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """End it in its own way."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(self.program.stop_signal)
            await self.process.wait()


@dataclass(frozen=True)
class OwnKafka(Kafka):
    """A broker with some settings of the test's."""

    more: Mapping[str, str] = field(default_factory=dict)

    def properties(self) -> str:
        """Write server.properties."""
        return super().properties() + "".join(f"{key}={value}\n" for key, value in self.more.items())


@asynccontextmanager
async def own_postgres(state: Path, *, disk: str = "") -> AsyncIterator[tuple[Server, Postgres]]:
    """Run a PostgreSQL, where asked for on a disk of so many bytes, as `192m`; only root may mount one."""
    layout = _layout(state)
    [jar] = fetch("postgres", layout.dependencies)
    folder = data_folder(layout.state, layout.digest)
    try:
        with _mounted(folder, disk) if disk else nullcontext():
            port = internal_ports(state, ["postgres"])["postgres"]
            postgres = Postgres(unpack(jar, layout.dependencies), folder, port, layout.secrets)
            await asyncio.to_thread(postgres.prepare)
            server = Server(postgres.program(layout.logs / "postgres.log"), postgres.is_ready)
            try:
                await server.start()
                yield server, postgres
            finally:
                await server.stop()
    finally:
        remove_data(layout.state, layout.digest)


@contextmanager
def _mounted(folder: Path, size: str) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=711", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@asynccontextmanager
async def own_kafka(state: Path, **settings: str) -> AsyncIterator[tuple[Server, Kafka]]:
    """Run a Kafka; an underscore in a setting's name stands for a dot."""
    layout = _layout(state)
    jars = fetch("kafka", layout.dependencies)
    ports = internal_ports(state, ["kafka", "controller"])
    more = {name.replace("_", "."): value for name, value in settings.items()}
    kafka = OwnKafka(state / "kafka", ports["kafka"], ports["controller"], jars, find_java(), more=more)
    await asyncio.to_thread(kafka.prepare)

    async def listening() -> bool:
        return await accepts(kafka.port)

    server = Server(kafka.program(layout.logs / "kafka.log"), listening)
    try:
        await server.start()
        yield server, kafka
    finally:
        await server.stop()


def _layout(state: Path) -> Layout:
    layout = Layout(state=state, demo=state / "demo.json")
    layout.make()
    return layout


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z" and int(fields[1]) == parent:
                found.append(int(entry.name))
    return found
