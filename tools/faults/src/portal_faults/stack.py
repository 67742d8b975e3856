"""How is a whole portal of its own run, hurt in every way, and found well again?

`with started() as stack:` brings it up on servers of its own and removes everything afterwards. Only what
its own run.json names is ever touched.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import types
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg

from portal_events.topics import OWNERS
from portal_faults import clocks, toxiproxy
from portal_faults.clocks import Clock
from portal_faults.launch import Setting
from portal_faults.running import RunningPortal, eventually
from portal_faults.toxiproxy import Toxic, Toxiproxy
from portal_faults.volume import Volume, claim, postgres_folder
from portal_launcher import services
from portal_launcher.down import remove
from portal_launcher.kafka import accepts
from portal_launcher.layout import ROOT, Layout
from portal_launcher.ports import internal_ports, is_free
from portal_launcher.processes import ProcessId, group_members, identify, is_alive, stop_leftovers
from portal_launcher.readiness import ask
from portal_launcher.run_file import ProcessRecord, read_run
from portal_secrets.files import password

SERVICES: Final = tuple(each.name for each in services.SERVICES)
PROCESSES: Final = tuple(f"{service}{role}" for service in SERVICES for role in ("", "-worker"))
SERVERS: Final = ("kafka", "postgres")
HOME: Final = ROOT / ".portal" / "faults"
NOTHING: Final[Mapping[str, str]] = types.MappingProxyType({})
DISK: Final = 1024**3
"""Bytes of each server's own disk."""


@dataclass
class Stack(RunningPortal):
    """A portal with its own servers. `proxy` and `disks` are there where the machine allows them."""

    proxy: Toxiproxy | None = None
    disks: dict[str, Volume] = field(default_factory=dict)
    clocks: dict[str, Clock] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """Return where the launcher keeps its things."""
        return Layout(state=self.state, demo=self.state / "demo.json")

    @property
    def command(self) -> Sequence[str]:
        """What brings it up."""
        return [sys.executable, "-m", "portal_faults.launch", str(self.state / "setting.json")]

    def start(self) -> None:
        """Bring it up and learn where its servers are."""
        super().start()
        self.bootstrap_servers = self.run().bootstrap_servers
        self.database_urls = self.run().database_urls

    def kill(self, name: str) -> ProcessRecord:
        """End a process and its children at once, without a word; return who died."""
        record = self.record(name)
        for pid in family(record.pid):
            send(pid, signal.SIGKILL)
        return record

    async def reborn(self, dead: ProcessRecord, within: float = 60.0) -> None:
        """Wait until another process has taken the place of one that died."""

        async def replaced() -> bool:
            return self.record(dead.name).identity != dead.identity

        await eventually(replaced, f"{dead.name} is started again", within)

    @contextlib.asynccontextmanager
    async def paused(self, name: str) -> AsyncIterator[None]:
        """Stop a process and its children where they stand until the block ends."""
        leader = self.record(name).pid
        # The leader first: it can have no more children then.
        send(leader, signal.SIGSTOP)
        stopped = family(leader)
        try:
            for pid in stopped:
                send(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in reversed(stopped):
                send(pid, signal.SIGCONT)

    async def pause(self, name: str, seconds: float) -> None:
        """Stop a process for a time."""
        async with self.paused(name):
            await asyncio.sleep(seconds)

    @contextlib.contextmanager
    def spoiled(self, link: str, toxics: Sequence[Toxic]) -> Iterator[None]:
        """Spoil the way from a service to a server (`booking-kafka`) until the block ends."""
        if self.proxy is None:
            raise RuntimeError("this stack has no proxy")
        with self.proxy.spoiled(link, toxics):
            yield

    async def recovered(self, within: float = 30.0) -> None:
        """Wait until every process lives, answers and is ready, without being helped."""
        await eventually(self._is_well, f"everything is ready again: {self.state}", within)

    async def published(self, within: float = 60.0) -> None:
        """Wait until no event waits for Kafka any more."""

        async def all_out() -> bool:
            return not sum([await self.backlog(service) for service in OWNERS])

        await eventually(all_out, "the relays' backlogs are empty", within)

    async def as_superuser(self, statement: str) -> None:
        """Run a statement that only PostgreSQL's superuser may."""
        secret = password(self.layout.secrets, "postgres")
        port = self.record("postgres").port
        connection = await asyncpg.connect(f"postgresql://postgres:{secret}@127.0.0.1:{port}/postgres")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def backlog(self, service: str) -> int:
        """Return how many events of a service wait for Kafka."""
        waiting = "select count(*) as waiting from event, relay where position > published"
        [row] = await self.query(service, waiting)
        return int(row["waiting"])

    async def _is_well(self) -> bool:
        for record in self.run().processes:
            if not is_alive(record.identity) or record.port is None:
                return False
            well = (await ask(record.port)).ready if record.http else await accepts(record.port)
            if not well:
                return False
        return True


@contextlib.contextmanager
def started(
    *, seed: bool = False, small_disks: bool = True, variables: Mapping[str, str] = NOTHING
) -> Iterator[Stack]:
    """Bring up a portal of one's own, with what this machine allows; remove it whatever happens.

    `variables` are added to the environment of every service's process.
    """
    remove_abandoned()
    state = HOME / str(os.getpid())
    layout = Layout(state=state, demo=state / "demo.json")
    layout.make()
    me = identify(os.getpid())
    (state / "owner.json").write_text(json.dumps([os.getpid(), me.started if me else 0]))
    port = next(port for port in random.sample(range(15_000, 20_000), 5_000) if is_free(port))
    stack = Stack(state, port, state / "launcher.log", bootstrap_servers="", database_urls={})
    try:
        if small_disks and os.geteuid() == 0:
            stack.disks = {
                "postgres": Volume(postgres_folder(layout), DISK),
                "kafka": Volume(state / "kafka", DISK),
            }
            for disk in stack.disks.values():
                disk.mount()
            claim(layout)
        surround(stack, seed=seed, variables=variables)
        stack.start()
        yield stack
        stack.stop()
    finally:
        clean_up(stack)


def surround(stack: Stack, *, seed: bool, variables: Mapping[str, str]) -> None:
    """Start the proxy, prepare the clocks, and write the setting."""
    links = [f"{service}-{server}" for service in SERVICES for server in SERVERS]
    doors = [f"{service}-door" for service in SERVICES]
    ports = internal_ports(stack.state, [*links, *doors, "toxiproxy", *SERVERS])
    proxied = toxiproxy.built()
    if proxied is not None:
        ends = {f"{service}-postgres": ports["postgres"] for service in SERVICES}
        ends |= {f"{service}-kafka": ports[f"{service}-door"] for service in SERVICES}
        stack.proxy = Toxiproxy(ports["toxiproxy"], stack.logs / "toxiproxy.log")
        stack.proxy.start(proxied, {link: (ports[link], end) for link, end in ends.items()})
    preloaded = clocks.library()
    if preloaded is not None:
        stack.clocks = {name: Clock(stack.state / f"clock-{name}") for name in PROCESSES}
    environments = {name: dict(variables) for name in PROCESSES}
    for name, clock in stack.clocks.items():
        if preloaded is not None:
            environments[name] |= clock.environment(preloaded)
    Setting(
        port=stack.port,
        seed=seed,
        doors={s: (ports[f"{s}-door"], ports[f"{s}-kafka"]) for s in SERVICES} if stack.proxy else {},
        postgres={s: ports[f"{s}-postgres"] for s in SERVICES} if stack.proxy else {},
        environments=environments,
    ).write(stack.state / "setting.json")


def clean_up(stack: Stack) -> None:
    """End what still runs and remove what was written."""
    if stack.process is not None and not stack.has_ended():
        stack.process.terminate()
        stack.process.wait(60)
    if stack.proxy is not None:
        stack.proxy.stop()
    for disk in stack.disks.values():
        disk.unmount()
    remove(stack.layout)


def remove_abandoned() -> None:
    """Stop and remove the portals of harnesses that were killed."""
    for note in HOME.glob("*/owner.json"):
        pid, began = json.loads(note.read_text())
        if is_alive(ProcessId(pid, began)):
            continue
        layout = Layout(state=note.parent, demo=note.parent / "demo.json")
        run = read_run(layout.run_file)
        if run is not None:
            stop_leftovers((record.name, record.identity, record.stop_signal) for record in run.processes)
        for folder in (postgres_folder(layout), layout.state / "kafka"):
            Volume(folder, 0).unmount()
        remove(layout)


def family(leader: int) -> list[int]:
    """Return a process, the rest of its group and its children: PostgreSQL's lead groups of their own."""
    found = [leader, *(pid for pid in group_members(leader) if pid != leader)]
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) not in found:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == leader:
                    found.append(int(entry.name))
    return found


def send(pid: int, number: int) -> None:
    """Send a signal to a process, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
