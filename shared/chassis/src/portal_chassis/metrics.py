"""What does a process count, and how does Prometheus get it?

Figures are served on a port of their own, by a thread of their own: they answer while HTTP drains and while
the event loop hangs. Labels are route templates, methods and names of views: never a path, an id or a word
that somebody sent.
"""

import asyncio
import contextlib
import platform
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from importlib.metadata import version
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from portal_eventstore.execute import Tally

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_DELAY_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_DELAY_SECONDS: Final = 0.25

# A second series a metric, which says when it began: Prometheus does not need it.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """One process's figures."""

    def __init__(self) -> None:
        """Begin with what every process has."""
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self._requests = Histogram(
            "portal_http_request_duration_seconds",
            "Requests by route template, method and class of status",
            ("route", "method", "status"),
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._delay = Histogram(
            "portal_event_loop_delay_seconds",
            f"By how much a task that sleeps {_DELAY_SECONDS} s wakes up late",
            buckets=_DELAY_BUCKETS,
            registry=self.registry,
        )
        self._observe: dict[tuple[str, str, int], Callable[[float], None]] = {}

    def describe(self, service: str, role: str) -> None:
        """Say what this process is."""
        Info("portal_build", "What runs here", registry=self.registry).info(
            {
                "service": service,
                "role": role,
                "version": version("portal-chassis"),
                "python": platform.python_version(),
            }
        )

    def add(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Ask `collect` whenever somebody asks for the figures; it runs in another thread."""
        self.registry.register(_Asked(collect))

    def add_appends(self, tally: Tally) -> None:
        """Show what a decider has appended."""
        self.add(lambda: _appends(tally))

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request. `route` is a template; `status` 0 is an answer that never began."""
        # The hot path: neither the labels' look-up nor its lock is paid twice for the same three.
        observe = self._observe.get((route, method, status))
        if observe is None:
            known = method if method in _METHODS else "other"
            kind = f"{status // 100}xx" if status else "none"
            observe = self._requests.labels(route, known, kind).observe
            if known == method:
                self._observe[route, method, status] = observe
        observe(seconds)

    @contextlib.contextmanager
    def served(self, host: str, port: int) -> Iterator[None]:
        """Answer with the figures during the block; raises OSError when the port is taken."""
        server, thread = start_http_server(port, host, self.registry)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    @contextlib.asynccontextmanager
    async def measuring(self) -> AsyncIterator[None]:
        """Measure the event loop's delay during the block."""
        task = asyncio.create_task(self._measure(), name="event loop delay")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _measure(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            await asyncio.sleep(_DELAY_SECONDS)
            self._delay.observe(max(clock() - began - _DELAY_SECONDS, 0.0))


class _Asked(Collector):
    def __init__(self, collect: Callable[[], Iterable[Any]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()


def _appends(tally: Tally) -> Iterator[Metric]:
    yield CounterMetricFamily("portal_append_batches", "Batches appended", tally.batches)
    yield CounterMetricFamily("portal_append_events", "Events appended", tally.events)
    yield CounterMetricFamily(
        "portal_append_conflicts", "Appends that met newer facts and were decided again", tally.stale
    )
