"""How does an operator's command reach a service of the running portal?

Each runs as `python -m <service> <operation> …`, a process of its own with the service's environment; where
the portal runs as containers, in a container of its own.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from portal_launcher.containers import containers_run, make_databases, operation
from portal_launcher.faults import NOT_RUNNING, UNKNOWN_SERVICE, Fault
from portal_launcher.layout import Layout
from portal_launcher.postgres import Postgres
from portal_launcher.progress import show
from portal_launcher.run_file import Run, read_run
from portal_launcher.services import SERVICES, Service, wiring_of


def operate(layout: Layout, service: str, arguments: Sequence[str]) -> int:
    """Run one operation of one service on this terminal, and return its exit code."""
    known(service)
    command, environment = reach(layout, service, arguments)
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  our own module


def reach(
    layout: Layout, service: str, arguments: Sequence[str]
) -> tuple[list[str], Mapping[str, str] | None]:
    """Build the command and its environment, None for this process's own; raises Fault when nothing runs."""
    if runs_as_containers(layout):
        return operation(service, arguments), None
    run = running(layout)
    environment = wiring_of(run, layout).environment(known(service), service)
    return [sys.executable, "-m", service, *arguments], environment


def operate_each(layout: Layout, service: str | None, arguments: Sequence[str]) -> int:
    """Run an operation of one service, or of all; return the highest exit code."""
    names = [each.name for each in SERVICES] if service is None else [service]
    return max(operate(layout, name, arguments) for name in names)


def operate_at_once(layout: Layout, service: str | None, arguments: Sequence[str]) -> int:
    """Ask one service, or all side by side; print what each says, and return the highest exit code."""
    services = SERVICES if service is None else (known(service),)
    asked = []
    for each in services:
        command, environment = reach(layout, each.name, arguments)
        asked.append(
            subprocess.Popen(  # noqa: S603  our own module
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
    for process in asked:
        show(process.communicate()[0].rstrip())
    return max(process.returncode for process in asked)


def rebuild(layout: Layout, named: str, arguments: Sequence[str]) -> int:
    """Rebuild `SERVICE/VIEW`."""
    service, _, view = named.partition("/")
    if not view:
        raise Fault(UNKNOWN_SERVICE, f"Name the view as SERVICE/VIEW, for example {service}/timeline.")
    return operate(layout, service, ["rebuild", view, *arguments])


def restore(layout: Layout, service: str, arguments: Sequence[str]) -> int:
    """Bring a service's database back; on our own server it is made again where it is gone."""
    known(service)
    if runs_as_containers(layout):
        if (code := make_databases()) != 0:
            return code
    else:
        run = running(layout)
        postgres = Postgres(Path(), Path(), run.ports.get("postgres", 0), layout.secrets)
        if run.postgres_data and run.database_urls.get(service) == postgres.url(service, service):
            asyncio.run(postgres.create_database(service))
    return operate(layout, service, ["restore", *arguments])


def running(layout: Layout) -> Run:
    """Return what runs as processes; raises Fault when nothing does."""
    run = read_run(layout.run_file)
    if run is None or not run.is_running:
        raise Fault(NOT_RUNNING, "The portal does not run; start it with ./portal up.")
    return run


def runs_as_containers(layout: Layout) -> bool:
    """Tell whether containers are meant: they run, and no portal of processes does."""
    run = read_run(layout.run_file)
    return (run is None or not run.is_running) and containers_run()


def known(name: str) -> Service:
    """Return a service by its name; raises Fault."""
    for service in SERVICES:
        if service.name == name:
            return service
    names = ", ".join(service.name for service in SERVICES)
    raise Fault(UNKNOWN_SERVICE, f"There is no service {name}; there are {names}.")
