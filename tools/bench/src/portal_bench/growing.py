"""Does a read stay as fast when there is a hundred times as much? And how fast is it beside a bare one?"""

import asyncio
import http.client
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from portal_bench.bare import make_tables
from portal_bench.crowd import Ask, Order, pack
from portal_bench.portal import Portal
from portal_bench.report import Result
from portal_bench.rounds import CONNECTIONS, Rounds, Sizes, ceiling

RATE: Final = 100
FLAT: Final = 1.3
"""Growth goes no further than this: throughput among a hundredth over throughput among all."""

FLOOR_ROWS: Final = 1_000_000
_LOOKED_AT: Final = 100


class Growing:
    """The rounds of one reading benchmark, among a hundredth first and then among everything."""

    def __init__(self, portal: Portal, sizes: Sizes, bare: Sequence[Ask]) -> None:
        asyncio.run(make_tables(portal.databases["floor"], rows=min(FLOOR_ROWS, sizes.size or FLOOR_ROWS)))
        self._portal, self._sizes = portal, sizes
        self._rounds = Rounds(portal)
        self._shown: dict[str, float] = {}
        self._bare = pack(portal.state / "bare", bare)

    def among(self, what: str, asks: Sequence[Ask]) -> Path:
        """Measure rounds of the bare read and of `asks`."""
        requests = pack(self._portal.state / "requests", asks)
        self._shown[f"{what}: items on a page"] = _items_shown(self._portal.port, asks[:_LOOKED_AT])
        for _ in range(self._sizes.rounds):
            self._rounds.ask(f"bare, beside {what}", self._order(self._portal.bare, self._bare))
            self._rounds.ask(what, self._order(self._portal.port, requests))
        return requests

    def steadily(self, what: str, requests: Path) -> None:
        """Measure how long a reader waits at a fixed rate."""
        seconds = self._sizes.steady_seconds
        order = Order(self._portal.port, str(requests), CONNECTIONS, seconds, RATE)
        self._rounds.ask(f"{what}, {RATE} a second", order)

    def result(self, name: str, small: str, full: str, *, goal: float, longest_ms: float) -> Result:
        """Sum up."""
        rate, floor = self._rounds.rate(full), self._rounds.rate(f"bare, beside {full}")
        p99 = self._rounds.p99(f"{full}, {RATE} a second")
        # Each beside the bare reads of its own rounds: minutes lie between the two.
        growth = (self._rounds.rate(small) / self._rounds.rate(f"bare, beside {small}")) / (rate / floor)
        return Result(
            name=name,
            figure=round(rate, 1),
            unit=f"pages/s through the gateway, {CONNECTIONS} connections",
            floor=round(floor, 1),
            goal=f"{goal} of a bare endpoint's pages; p99 at most {longest_ms:.0f} ms at {RATE}/s; "
            f"growth from a hundredth to all at most {FLAT}",
            met=rate >= goal * floor and p99 <= longest_ms and growth <= FLAT,
            peers={
                "growth": round(growth, 2),
                **self._shown,
                **self._rounds.figures(),
                "ceiling of the crowd": ceiling(self._portal.spare, self._bare, self._sizes.seconds),
            },
        )

    def _order(self, port: int, requests: Path) -> Order:
        return Order(port, str(requests), CONNECTIONS, self._sizes.seconds)


def _items_shown(port: int, asks: Sequence[Ask]) -> float:
    """Return how many items these pages show on average: an empty page would be a fast one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    shown = 0
    for ask in asks:
        connection.request(ask.method, ask.target, headers=ask.headers)
        shown += len(json.load(connection.getresponse())["items"])
    connection.close()
    return shown / len(asks)
