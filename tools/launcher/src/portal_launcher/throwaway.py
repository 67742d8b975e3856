"""How do tests and benchmarks get servers that nobody else uses and nothing remains of?

Every run has a folder named after its process, so that two runs side by side do not meet and the folder of a
killed run is recognised and removed by the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from portal_launcher import ports
from portal_launcher.down import remove
from portal_launcher.kafka import Kafka
from portal_launcher.layout import ROOT, Layout
from portal_launcher.postgres import Postgres
from portal_launcher.processes import identify, stop_leftovers
from portal_launcher.progress import Progress
from portal_launcher.run_file import Run, read_run, write_run
from portal_launcher.servers import STOP_LAST, start_kafka, start_postgres
from portal_launcher.supervise import Supervisor
from portal_launcher.up import all_of, require_space


@dataclass
class Servers:
    """What came up."""

    state: Path
    postgres: Postgres | None = None
    kafka: Kafka | None = None


@contextlib.asynccontextmanager
async def throwaway_servers(
    kind: str, progress: Progress, overrides: Mapping[str, str], *, kafka: bool
) -> AsyncIterator[Servers]:
    """Run PostgreSQL, and Kafka where asked for, on fresh data; remove everything afterwards."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    parent = ROOT / ".portal" / kind
    remove_abandoned(parent)
    state = parent / str(os.getpid())
    layout = Layout(state=state, demo=state / "demo.json")
    layout.make()
    require_space(layout)
    me = identify(os.getpid())
    run = Run(os.getpid(), me.started if me else 0, url="", port=0)

    def record() -> None:
        run.processes = supervisor.records()
        write_run(layout.run_file, run)

    supervisor = Supervisor(progress.say, record)
    record()
    servers = Servers(state)
    chosen = ports.internal_ports(state, ["postgres", "kafka", "kafka-controller"])

    async def postgres_up() -> None:
        servers.postgres = await start_postgres(layout, chosen["postgres"], supervisor, progress, overrides)

    async def kafka_up() -> None:
        servers.kafka = await start_kafka(layout, chosen, supervisor, progress)

    try:
        await all_of(postgres_up(), *([kafka_up()] if kafka else []))
        yield servers
    finally:
        await supervisor.stop(STOP_LAST)
        remove(layout)


def remove_abandoned(parent: Path) -> None:
    """Stop and remove what a killed run has left."""
    for state in parent.glob("*"):
        layout = Layout(state=state, demo=state / "demo.json")
        run = read_run(layout.run_file)
        if run is None or run.is_running:
            continue
        stop_leftovers((record.name, record.identity, record.stop_signal) for record in run.processes)
        remove(layout)
