"""How many, how long each, and did every client get its share?"""

import time
from dataclasses import asdict, dataclass

WARM_UP = 0.5
"""Seconds at the start of a run that do not count."""


@dataclass(frozen=True)
class Figures:
    """Rate in operations a second, latencies in milliseconds, counts an client."""

    rate: float
    p50: float
    p99: float
    longest: float
    fewest: int
    most: int

    def to_json(self) -> dict[str, float]:
        """Return plain numbers."""
        return asdict(self)


class Measured:
    """Collects the operations of several clients within one window of time."""

    def __init__(self, clients: int) -> None:
        self._counts = [0] * clients
        self._latencies: list[float] = []
        self._from = self._until = self._ended = 0.0

    def start(self, seconds: float) -> None:
        """Begin the warm-up; the window follows it."""
        self._from = time.perf_counter() + WARM_UP
        self._until = self._from + seconds

    def running(self) -> bool:
        """Tell a client whether to go on."""
        return time.perf_counter() < self._until

    def note(self, client: int, seconds: float) -> None:
        """Count one operation that ends now."""
        if time.perf_counter() >= self._from:
            self._counts[client] += 1
            self._latencies.append(seconds)

    def stop(self) -> None:
        """End the window when the last client is done."""
        self._ended = time.perf_counter()

    def figures(self) -> Figures:
        """Sum up."""
        latencies = sorted(self._latencies) or [0.0]
        return Figures(
            rate=len(self._latencies) / (self._ended - self._from),
            p50=latencies[len(latencies) // 2] * 1e3,
            p99=latencies[int(len(latencies) * 0.99)] * 1e3,
            longest=latencies[-1] * 1e3,
            fewest=min(self._counts),
            most=max(self._counts),
        )
