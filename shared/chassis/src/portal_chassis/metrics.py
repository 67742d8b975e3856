"""What does a process count, and how does Prometheus get it?

Figures are served on a port of their own, by a thread of their own: they answer while HTTP drains and while
the event loop hangs. Labels are route templates, methods and names of views: never a path, an id or a word
that somebody sent.
"""

import asyncio
import contextlib
import platform
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import accumulate
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from portal_eventstore.execute import Tally

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_LIMITS: Final = (*map(str, _REQUEST_BUCKETS), "+Inf")
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
        self.add(self._requests)
        self._delay = Histogram(
            "portal_event_loop_delay_seconds",
            f"By how much a task that sleeps {_DELAY_SECONDS} s wakes up late",
            buckets=_DELAY_BUCKETS,
            registry=self.registry,
        )
        self._counted: dict[tuple[str, str, int], _Spread] = {}

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
        # The hot path: three look-ups and two additions, where the library's own histogram takes locks.
        spread = self._counted.get((route, method, status))
        if spread is None:
            known = method if method in _METHODS else "other"
            spread = self._counted.setdefault((route, known, status), _Spread())
        spread.counts[bisect_left(_REQUEST_BUCKETS, seconds)] += 1
        spread.seconds += seconds

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

    def _requests(self) -> Iterator[Metric]:
        classes: dict[tuple[str, str, str], _Spread] = {}
        for (route, method, status), spread in list(self._counted.items()):
            kind = f"{status // 100}xx" if status else "none"
            classes.setdefault((route, method, kind), _Spread()).add(spread)
        family = HistogramMetricFamily(
            "portal_http_request_duration_seconds",
            "Requests by route template, method and class of status",
            labels=("route", "method", "status"),
        )
        for labels, spread in classes.items():
            reached = accumulate(spread.counts)
            buckets = [(limit, count) for limit, count in zip(_LIMITS, reached, strict=True)]
            family.add_metric(labels, buckets, spread.seconds)
        yield family


@dataclass(slots=True)
class _Spread:
    """How many requests took how long: one count a bucket, and the seconds of all."""

    counts: list[int] = field(default_factory=lambda: [0] * len(_LIMITS))
    seconds: float = 0.0

    def add(self, other: "_Spread") -> None:
        """Take others in."""
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        self.seconds += other.seconds


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
