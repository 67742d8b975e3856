"""How does a service's process run?

`python -m <service> app|worker|all|migrate`: `app` answers HTTP, `worker` relays and projects, `all` does
both in one process. Every role serves /healthz and /readyz, and its figures on a port of their own. SIGTERM
and SIGINT drain what runs and exit 0.
Beside the roles stand what operators ask for (operations/).
"""

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from prometheus_client.core import Metric

from portal_chassis.app import add_degraded_check, add_ready_check, create_app
from portal_chassis.logs import configure_logging, exception_summary
from portal_chassis.metrics import Metrics
from portal_chassis.migrate import MigrationError, migrate
from portal_chassis.operations.every import OPERATIONS
from portal_chassis.operations.operation import Operated, OperationError
from portal_chassis.settings import Settings, SettingsError
from portal_chassis.vital_metrics import watched, worked
from portal_events.keys import KeyFileError
from portal_eventstore.project import Projector
from portal_eventstore.relay.publish import Relay
from portal_eventstore.view import View
from portal_eventstore.vitals.watch import Watcher

S = TypeVar("S", bound=Settings)

_ROLES: Final = {
    "app": "answer HTTP",
    "worker": "relay and project",
    "all": "both in one process",
}
_DRAIN_SECONDS: Final = 10
_COLLECTED_AFTER: Final = (10_000, 20, 50)
"""Objects made before the youngest are looked through, and rounds before older ones are: Python's own numbers
are for programs that hold little, and cost a request a tenth of its time."""
_RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 5.0)

_log = structlog.get_logger()


class Worker(Protocol):
    """What a service's worker gives while it runs."""

    def problems(self) -> Sequence[str]:
        """Say what is missing, for /readyz; empty when all is well."""

    @property
    def relay(self) -> Relay | None:
        """Return what publishes the service's log, where it keeps one."""

    @property
    def projectors(self) -> Sequence[Projector]:
        """Return what follows the service's views."""


@dataclass(frozen=True)
class Service(Generic[S]):
    """One service, as its `__main__.py` hands it over.

    `settings` reads the environment; `app` and `worker` wire; `migrations` are folders of SQL files,
    each with the table that records them. `views` are all that it keeps; `keeps_log`: it appends events.
    """

    name: str
    settings: Callable[[], S]
    app: Callable[[S], FastAPI]
    worker: Callable[[S], AbstractAsyncContextManager[Worker]]
    migrations: Sequence[tuple[Path, str]]
    views: Sequence[View[Any]]
    keeps_log: bool


def main(service: Service[S], arguments: Sequence[str] | None = None) -> None:
    """Run one role of `service` until a signal, and leave the process."""
    options = _parser(service.name).parse_args(arguments)
    configure_logging(service.name)
    try:
        settings = service.settings()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            if options.role in _ROLES:
                runner.run(_run(service, options.role, settings))
            elif options.role == "migrate":
                runner.run(migrate(settings.database_url, *service.migrations))
            else:
                sys.exit(runner.run(options.operation.run(_operated(service, settings), options)))
    except (SettingsError, KeyFileError, MigrationError, OperationError, _StartError) as error:
        sys.exit(f"{service.name}: {error}")


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {name}")
    commands = parser.add_subparsers(dest="role", required=True, metavar="ROLE")
    for role, what in (*_ROLES.items(), ("migrate", "bring the database's tables up to date")):
        commands.add_parser(role, help=what)
    for operation in OPERATIONS:
        command = commands.add_parser(operation.name, help=operation.help)
        command.set_defaults(operation=operation)
        operation.arguments(command)
    return parser


def _operated(service: Service[S], settings: S) -> Operated:
    return Operated(
        service.name,
        settings.database_url,
        settings.kafka_bootstrap_servers,
        service.views,
        service.keeps_log,
        service.migrations,
    )


def server_config(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """Say how every process answers HTTP."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


class _StartError(Exception):
    """The app did not start."""


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us: its own handling ends the process by the signal."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to answer, and leave what is loaded by now out of every later collection of garbage."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECTED_AFTER)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield


async def _run(service: Service[S], role: str, settings: S) -> None:
    app = service.app(settings) if role in ("app", "all") else create_app(service.name)
    server = _Server(server_config(app, settings.http_host, settings.http_port))
    stopping: asyncio.Event = app.state.stopping

    def stop() -> None:
        # A second signal does not wait for what is still being answered.
        server.force_exit = stopping.is_set()
        stopping.set()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    metrics: Metrics = app.state.metrics
    metrics.describe(service.name, role)
    async with contextlib.AsyncExitStack() as running:
        await running.enter_async_context(metrics.measuring())
        if settings.metrics_port is not None:
            running.enter_context(_served(metrics, settings.metrics_host, settings.metrics_port))
        if role in ("worker", "all"):
            await running.enter_async_context(_Supervised(service.worker, settings).running(app))
            await running.enter_async_context(_watched(service, settings, app))
        _log.info("starting", role=role, pid=os.getpid())
        try:
            await server.serve()
        except SystemExit:  # how uvicorn says that the port is taken
            raise _StartError(f"cannot listen on {settings.http_host}:{settings.http_port}") from None
        if not server.started:
            raise _StartError("the app did not start; the log's last lines say why")
    _log.info("stopped", role=role)


@contextlib.contextmanager
def _served(metrics: Metrics, host: str, port: int) -> Iterator[None]:
    with contextlib.ExitStack() as served:
        try:
            served.enter_context(metrics.served(host, port))
        except OSError:
            raise _StartError(f"cannot listen on {host}:{port} for metrics") from None
        yield


@contextlib.asynccontextmanager
async def _watched(service: Service[S], settings: S, app: FastAPI) -> AsyncIterator[None]:
    """Look after the service's log and views beside the block."""
    watcher = Watcher(
        settings.database_url,
        service.name,
        [view.name for view in service.views],
        keeps_log=service.keeps_log,
    )

    async def problems() -> Sequence[str]:
        return watcher.problems()

    async def degraded() -> Sequence[str]:
        return watcher.degraded()

    add_ready_check(app, problems)
    add_degraded_check(app, degraded)
    app.state.metrics.add(lambda: watched(watcher))
    async with watcher.watching():
        yield


class _Supervised(Generic[S]):
    """Keeps a worker running: a dependency that is down makes the process not ready, not dead."""

    def __init__(self, worker: Callable[[S], AbstractAsyncContextManager[Worker]], settings: S) -> None:
        self._make = worker
        self._settings = settings
        self._stop = asyncio.Event()
        self._worker: Worker | None = None
        self._failure: str | None = None

    @contextlib.asynccontextmanager
    async def running(self, app: FastAPI) -> AsyncIterator[None]:
        """Run the worker beside the block, and end it cleanly after the block."""
        add_ready_check(app, self._problems)
        app.state.metrics.add(self._figures)
        task = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            self._stop.set()
            await task

    async def _keep(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                async with self._make(self._settings) as self._worker:
                    failures = 0
                    self._failure = None
                    await self._stop.wait()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is logged, shown and tried again
                # Only the name: a message may hold a row's values. What the log needs is where it happened.
                self._failure = type(error).__name__
                _log.error("worker failed", failure=exception_summary(error))
                wait = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]
                failures += 1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), wait)
            finally:
                self._worker = None

    async def _problems(self) -> Sequence[str]:
        if self._worker is None:
            return [f"worker: {self._failure or 'starting'}"]
        return self._worker.problems()

    def _figures(self) -> Iterable[Metric]:
        worker = self._worker
        return () if worker is None else worked(worker.relay, worker.projectors)
