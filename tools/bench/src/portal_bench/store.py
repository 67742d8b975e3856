"""How fast is the event store, in which order are its parts measured, and did they reach their goals?

Rounds are interleaved and medians taken, because the machines are noisy: only ratios within one run count.
"""

import asyncio
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from uuid import uuid4

import asyncpg

from portal_bench.floor import commits_per_second, make_floor
from portal_bench.measured import Figures
from portal_bench.peer import preload_peer
from portal_bench.report import Result
from portal_bench.rounds import Sizes
from portal_bench.world import EVENTS, preload

PEER = "eventsourcing DCB"
LONGEST_WAIT = 250.0
"""Milliseconds: the goal for the 99th percentile on a contended boundary."""
LEAST_SHARE = 0.5
"""Nobody starves: the slowest client gets at least this part of what the fastest gets."""


class Run:
    """The measurements of one run: every part once a round."""

    def __init__(self, database_url: str, mode: str, seconds: int) -> None:
        self._url, self._mode, self._seconds = database_url, mode, seconds
        self._seen: dict[str, list[Figures]] = defaultdict(list)

    def floor(self, clients: int) -> None:
        """Measure pgbench's commits."""
        rate = commits_per_second(self._url, clients, self._seconds)
        self._note(f"pgbench, {clients} clients", Figures(rate, 0, 0, 0, 0, 0))

    def ours(self, clients: int, processes: int = 1) -> None:
        """Measure our store with `clients` spread over `processes` that meet on one hot boundary."""
        hot = str(uuid4())
        figures = self._clients("ours", clients // processes, [hot] * processes)
        name = f"ours, {clients} clients" + (f" in {processes} processes" if processes > 1 else "")
        self._note(
            name,
            Figures(
                rate=sum(f.rate for f in figures),
                p50=max(f.p50 for f in figures),
                p99=max(f.p99 for f in figures),
                longest=max(f.longest for f in figures),
                fewest=min(f.fewest for f in figures),
                most=max(f.most for f in figures),
            ),
        )

    def peer(self, clients: int) -> None:
        """Measure the peer."""
        [figures] = self._clients("peer", clients, [str(uuid4())])
        self._note(f"{PEER}, {clients} clients", figures)

    def median(self, name: str, of: Callable[[Figures], float] = lambda f: f.rate) -> float:
        """Return the median over the rounds."""
        return statistics.median(of(figures) for figures in self._seen[name])

    def rates(self) -> dict[str, float]:
        """Return every part's median rate."""
        return {name: round(self.median(name), 1) for name in self._seen}

    def _clients(self, subject: str, clients: int, hots: Iterable[str]) -> list[Figures]:
        command = [sys.executable, "-m", "portal_bench.client", subject, self._mode, str(clients)]
        started = [
            subprocess.Popen([*command, str(self._seconds), hot], stdout=subprocess.PIPE, text=True)  # noqa: S603
            for hot in hots
        ]
        printed = [process.communicate(timeout=60 + 10 * self._seconds)[0] for process in started]
        return [Figures(**json.loads(text)) for text in printed]

    def _note(self, name: str, figures: Figures) -> None:
        self._seen[name].append(figures)
        print(
            f"  {name:<34} {figures.rate:>10,.0f}/s  p50 {figures.p50:7.2f}  p99 {figures.p99:7.2f}  "
            f"longest {figures.longest:7.1f} ms  a client {figures.fewest}-{figures.most}",
            flush=True,
        )


def append(run: Run, rounds: int) -> Result:
    """Conditional appends of ready-made events to fresh boundaries."""
    for _ in range(rounds):
        for clients in (32, 8):
            run.floor(clients)
            run.ours(clients)
            run.peer(clients)
    many, few = run.median("ours, 32 clients"), run.median("ours, 8 clients")
    floor, few_floor = run.median("pgbench, 32 clients"), run.median("pgbench, 8 clients")
    peer = run.median(f"{PEER}, 32 clients")
    return Result(
        name="append",
        figure=round(many, 1),
        unit="appends/s, 32 clients",
        floor=round(floor, 1),
        goal="32 clients: 0.9 of pgbench's commits and 10 times the peer; 8 clients: 0.6",
        met=many >= 0.9 * floor and many >= 10 * peer and few >= 0.6 * few_floor,
        peers={**run.rates(), "times the peer": round(many / peer, 1), "ratio, 8 clients": few / few_floor},
    )


def command(run: Run, rounds: int) -> Result:
    """Read about ten events, decide, append."""
    for _ in range(rounds):
        run.floor(32)
        run.ours(32)
        run.peer(32)
    figure, floor = run.median("ours, 32 clients"), run.median("pgbench, 32 clients")
    peer = run.median(f"{PEER}, 32 clients")
    return Result(
        name="command",
        figure=round(figure, 1),
        unit="commands/s, 32 clients",
        floor=round(floor, 1),
        goal="0.4 of pgbench's commits and 11 times the peer",
        met=figure >= 0.4 * floor and figure >= 11 * peer,
        peers={**run.rates(), "times the peer": round(figure / peer, 1)},
    )


def hot(run: Run, rounds: int) -> Result:
    """Everybody on one boundary, from one process and from two."""
    for _ in range(rounds):
        run.floor(32)
        run.ours(32)
        run.ours(32, processes=2)
        run.peer(32)
    one, two = "ours, 32 clients", "ours, 32 clients in 2 processes"
    peer = run.median(f"{PEER}, 32 clients")
    slowest = min(run.median(one), run.median(two))
    p99 = max(run.median(one, lambda f: f.p99), run.median(two, lambda f: f.p99))
    share = min(run.median(name, lambda f: f.fewest / f.most) for name in (one, two))
    return Result(
        name="hot",
        figure=round(slowest, 1),
        unit="commands/s on one boundary, the slower of one and two processes",
        floor=round(run.median("pgbench, 32 clients"), 1),
        goal="100 times the peer, p99 at most 250 ms, no client below half of another's share",
        met=slowest >= 100 * peer and p99 <= LONGEST_WAIT and share >= LEAST_SHARE,
        peers={
            **run.rates(),
            "times the peer": round(slowest / peer, 1),
            "p99 ms": p99,
            "least share": share,
        },
    )


BENCHMARKS = {"append": append, "command": command, "hot": hot}


async def prepare(database_url: str, events: int) -> None:
    """Fill the tables of all parts with the same events."""
    await preload(database_url, events)
    await preload_peer(database_url)
    await make_floor(database_url)
    connection = await asyncpg.connect(database_url)
    await connection.execute("vacuum analyze", timeout=600)
    await connection.execute("checkpoint", timeout=600)
    await connection.close()


def measure(name: str, database_url: str, sizes: Sizes) -> Result:
    """Measure the store alone."""
    events = sizes.size or EVENTS
    print(f"preloading {events:,} events", flush=True)
    asyncio.run(prepare(database_url, events))
    return BENCHMARKS[name](Run(database_url, name, int(sizes.seconds)), sizes.rounds)
