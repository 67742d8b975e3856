"""What do the benchmarks of HTTP have in common? Rounds of a floor and of ours, then a fixed rate."""

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from portal_bench.crowd import Order, Seen
from portal_bench.measured import WARM_UP, Figures
from portal_bench.portal import Portal
from portal_launcher.ports import is_free

CONNECTIONS: Final = 32
_START_SECONDS: Final = 10.0
_WORTH_SAYING_MS: Final = 0.01
_HIGHEST_SHARE: Final = 0.9
"""A crowd that is busier than this part of a core measures itself."""


@dataclass(frozen=True)
class Sizes:
    """How much to measure, and among how much: `size` is the benchmark's own, None for its full size."""

    rounds: int
    seconds: float
    steady_seconds: float
    size: int | None


class Rounds:
    """The measurements of one run, by name."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self._seen: dict[str, list[Figures]] = defaultdict(list)
        self._cpu: dict[str, dict[str, float]] = {}

    def ask(self, name: str, order: Order, status: int = 200) -> int:
        """Let a crowd ask, note what it saw and return how many requests it sent."""
        self.portal.settle()
        before = self.portal.cpu()
        seen = _crowd(order)
        after = self.portal.cpu()
        answers = sum(seen.statuses.values())
        if set(seen.statuses) != {str(status)}:
            raise ValueError(f"{name}: answers other than {status}: {seen.statuses}")
        if seen.busy > _HIGHEST_SHARE:
            raise ValueError(f"{name}: the crowd itself was the bottleneck ({seen.busy:.2f} of a core)")
        self._seen[name].append(seen.figures)
        self._cpu[name] = {part: 1e3 * (after[part] - before.get(part, 0)) / answers for part in after}
        worth = {part: used for part, used in self._cpu[name].items() if used >= _WORTH_SAYING_MS}
        worth["crowd"] = 1e3 * seen.busy * (order.seconds + WARM_UP) / answers
        print(
            f"  {name:<34} {seen.figures.rate:>8,.0f}/s  p50 {seen.figures.p50:7.2f}  "
            f"p99 {seen.figures.p99:7.2f}  longest {seen.figures.longest:7.1f} ms   CPU ms each: "
            + "  ".join(f"{part} {used:.2f}" for part, used in worth.items()),
            flush=True,
        )
        return seen.sent

    def rate(self, name: str) -> float:
        """Return the median of the rounds' rates."""
        return statistics.median(figures.rate for figures in self._seen[name])

    def p99(self, name: str) -> float:
        """Return the median of the rounds' 99th percentiles, in milliseconds."""
        return statistics.median(figures.p99 for figures in self._seen[name])

    def figures(self) -> dict[str, float]:
        """Return what the result file shows beside the figure: rates, latencies, CPU a request."""
        found = {}
        for name, seen in self._seen.items():
            found[f"{name}: a second"] = round(self.rate(name), 1)
            found[f"{name}: p50 ms"] = round(statistics.median(f.p50 for f in seen), 2)
            found[f"{name}: p99 ms"] = round(self.p99(name), 2)
        for name, parts in self._cpu.items():
            for part, used in parts.items():
                found[f"{name}: CPU ms, {part}"] = round(used, 3)
        return found


def ceiling(port: int, requests: Path, seconds: float) -> float:
    """Return how many requests a second the crowd manages when an answer costs nothing."""
    command = [sys.executable, "-m", "portal_bench.canned", str(port), "4000"]
    with _ended(subprocess.Popen(command)):  # noqa: S603  our own module
        deadline = time.monotonic() + _START_SECONDS
        while is_free(port) and time.monotonic() < deadline:
            time.sleep(0.05)
        return _crowd(Order(port, str(requests), CONNECTIONS, seconds)).figures.rate


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def _crowd(order: Order) -> Seen:
    done = subprocess.run(
        [sys.executable, "-m", "portal_bench.crowd"],
        input=json.dumps(asdict(order)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    return Seen(**{**said, "figures": Figures(**said["figures"])})
