"""How does the portal come up, stay up and go down again?"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portal_launcher import migrations, ports
from portal_launcher.faults import NO_SPACE, Fault
from portal_launcher.kafka import Door
from portal_launcher.layout import Layout
from portal_launcher.mailbox import MAILBOX, mailbox_program, ports_needed
from portal_launcher.processes import identify, stop_leftovers
from portal_launcher.progress import Progress, show
from portal_launcher.readiness import ask
from portal_launcher.run_file import Run, read_run, take_lock, write_run
from portal_launcher.seed import announce, seed_in_child
from portal_launcher.servers import STOP_LAST, start_kafka, start_postgres
from portal_launcher.services import SERVICES, Service, metrics_of, process_names, wiring_of
from portal_launcher.supervise import Program, Supervisor
from portal_launcher.topics import create_topics
from portal_secrets.files import make_secrets

SPACE = 1024**3  # bytes
PATIENCE = ("./portal restore", "./portal rebuild", "built anew")
"""What a process says that will not be ready before somebody has run that, or before its view is built."""


@dataclass(frozen=True)
class Options:
    """What `./portal up` was asked for."""

    port: int = 8080
    public_url: str | None = None
    split: bool = False
    seed: bool = True
    scale: str | None = None

    @property
    def url(self) -> str:
        """The address that people open."""
        return self.public_url or f"http://127.0.0.1:{self.port}"


def as_it_is(program: Program) -> Program:
    """Run a service's process just as it is."""
    return program


@dataclass(frozen=True)
class Surroundings:
    """What a harness puts around a portal: how each process of a service runs, and Kafka's further doors."""

    around: Callable[[Program], Program] = as_it_is
    doors: Mapping[str, Door] = field(default_factory=dict)


ORDINARY = Surroundings()


def up(
    options: Options,
    layout: Layout,
    services: Sequence[Service] = SERVICES,
    surroundings: Surroundings = ORDINARY,
) -> int:
    """Bring the portal up and run it until told to stop; return the exit code."""
    progress = Progress()
    try:
        layout.make()
        with take_lock(layout.state, options.url):
            require_space(layout)
            stop_what_was_left(layout, progress)
            ports.require_free(options.port)
            return asyncio.run(Portal(options, layout, services, progress, surroundings).serve())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise no_space(layout) from error


def require_space(layout: Layout) -> None:
    """Refuse to start on a disk that is nearly full."""
    if shutil.disk_usage(layout.state).free < SPACE:
        raise no_space(layout)


def no_space(layout: Layout) -> Fault:
    """Say that the disk is full and where."""
    return Fault(
        NO_SPACE, f"There is too little disk space at {layout.state}: the portal needs 1 GiB; free some."
    )


def stop_what_was_left(layout: Layout, progress: Progress) -> None:
    """Stop the processes of a launcher that was killed; the lock says that none runs now."""
    run = read_run(layout.run_file)
    if run is None:
        return
    names = stop_leftovers((record.name, record.identity, record.stop_signal) for record in run.processes)
    if names:
        progress.say(f"stopped what a killed launcher had left: {', '.join(names)}")
    layout.run_file.unlink(missing_ok=True)


class Portal:
    """One portal's processes, from the first to the last."""

    def __init__(
        self,
        options: Options,
        layout: Layout,
        services: Sequence[Service],
        progress: Progress,
        surroundings: Surroundings,
    ) -> None:
        self._options = options
        self._surroundings = surroundings
        self._layout = layout
        self._progress = progress
        self._processes = process_names(services, split=options.split)
        self._services = services
        self._public = next(service.name for service in services if service.public)
        me = identify(os.getpid())
        self._run = Run(
            os.getpid(), me.started if me else 0, options.url, options.port, secrets=str(layout.secrets)
        )
        self._supervisor = Supervisor(progress.say, self._record)

    async def serve(self) -> int:
        """Start, wait for a signal, stop; the stop also happens when the start fails."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        start = asyncio.create_task(self._start())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({start, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                await start
                await stopped
        finally:
            await self._stop(start)
        return 0

    async def _start(self) -> None:
        layout, progress = self._layout, self._progress
        make_secrets(layout.secrets)
        internal = [name for name in self._processes if name != self._public]
        internal += [metrics_of(name) for name in self._processes]
        internal += ["postgres", "kafka", "kafka-controller", *ports_needed()]
        chosen = ports.internal_ports(layout.state, internal)
        self._run.ports = {**chosen, self._public: self._options.port}
        self._record()
        await all_of(self._databases(), self._kafka(), self._mailbox())
        wiring = wiring_of(self._run, self._layout)
        waiting = []
        for name, (service, role) in self._processes.items():
            program = self._surroundings.around(wiring.program(service, role, name=name))
            waiting.append(self._start_service(program))
        await all_of(*waiting)
        if self._options.seed:
            await seed_in_child(self._supervisor, self._run, layout, progress.say, self._options.scale)
        self._run.ready = True
        self._record()
        announce(self._run, layout.demo)
        show(f"ready in {progress.elapsed:.1f} s")

    async def _databases(self) -> None:
        """Give each service a database, ours or one from the environment, and bring its tables up to date."""
        given = {
            service.name: url
            for service in self._services
            if (url := os.environ.get(f"DATABASE_URL_{service.name.upper()}"))
        }
        ours: Path | None = None
        if len(given) < len(self._services):
            postgres = await start_postgres(
                self._layout, self._run.ports["postgres"], self._supervisor, self._progress
            )
            self._run.postgres_data = str(postgres.data)
            ours = postgres.folder if not given else None
            for service in self._services:
                if service.name not in given:
                    given[service.name] = await postgres.create_database(service.name)
        else:
            self._progress.say("using the databases given in the environment")
        self._run.database_urls = given
        self._record()
        if ours is not None and migrations.are_done(ours, self._layout.root):
            return
        wiring = wiring_of(self._run, self._layout)
        await all_of(
            *(
                self._supervisor.run(wiring.program(service, "migrate", name=f"{service.name}-migrate"))
                for service in self._services
            )
        )
        if ours is not None:
            migrations.remember(ours, self._layout.root)
        self._progress.say("the databases are up to date")

    async def _kafka(self) -> None:
        given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if given:
            self._progress.say(f"using the Kafka given in the environment ({given})")
            self._run.bootstrap_servers = given
        else:
            kafka = await start_kafka(
                self._layout, self._run.ports, self._supervisor, self._progress, self._surroundings.doors
            )
            self._run.bootstrap_servers = kafka.bootstrap_servers
            self._run.kafka_data = str(kafka.data)
        await create_topics(self._run.bootstrap_servers)

    async def _mailbox(self) -> None:
        if MAILBOX not in self._run.ports:
            self._progress.say("using the mail server given in the environment")
            return
        await self._start_service(mailbox_program(self._layout, self._run.ports))
        self._run.mailbox = f"http://127.0.0.1:{self._run.ports[MAILBOX]}"

    async def _start_service(self, program: Program) -> None:
        port = program.port
        if port is None:
            raise AssertionError(program.name)

        waiting_for = ""

        async def ready() -> bool:
            nonlocal waiting_for
            found = await ask(port)
            named = found.missing if any(said in found.missing for said in PATIENCE) else ""
            if named and named != waiting_for:
                self._progress.say(f"{program.name} waits: {named}")
            waiting_for = named
            return found.ready

        await self._supervisor.start(program, ready, patient=lambda: bool(waiting_for))
        self._progress.say(f"{program.name} is ready (port {port})")

    async def _stop(self, start: asyncio.Task[None]) -> None:
        failed = start.done() and not start.cancelled() and start.exception() is not None
        self._progress.say("stopping what was started" if failed else "stopping")
        start.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await start
        public = [name for name, (service, _) in self._processes.items() if service.public]
        others = [name for name in self._processes if name not in public]
        await self._supervisor.stop([public, others, [MAILBOX], *STOP_LAST])
        self._layout.run_file.unlink(missing_ok=True)
        self._progress.say("stopped")

    def _record(self) -> None:
        self._run.processes = self._supervisor.records()
        write_run(self._layout.run_file, self._run)


async def all_of(*jobs: Coroutine[None, None, None]) -> None:
    """Run jobs at once; the first failure cancels the others and is raised by itself."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
