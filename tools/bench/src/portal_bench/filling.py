"""How fast is a view rebuilt from Kafka, and how fast does it follow, beside what it is made of?

Every part runs in a process of its own, once a round, and medians are taken.
"""

import asyncio
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from portal_bench.report import Result
from portal_bench.rounds import Sizes
from portal_bench.timing import Timed
from portal_bench.visits import TOPIC, happened, publish
from portal_events.topics import TOPICS
from portal_eventstore.postgres import MIGRATIONS

EVENTS: Final = 1_000_000
_DATABASE: Final = "views"
_OF_THE_SLOWER: Final = 0.8
_TWICE: Final = 1.6
_OF_COPY: Final = 0.25
_ALONE, _HELPED = "rebuild", "rebuild, two processes"


class Run:
    """The measurements of one run, by part."""

    def __init__(self, server: str, servers: str, events: int) -> None:
        self.database_url = urlunsplit(urlsplit(server)._replace(path=f"/{_DATABASE}"))
        self.servers, self.events = servers, events
        self._server = server
        self._seen: dict[str, list[Timed]] = defaultdict(list)

    def measure(self, part: str) -> None:
        """Run a part on a fresh database."""
        asyncio.run(_make_database(self._server, self.database_url))
        command = [sys.executable, "-m", "portal_bench.timing", part]
        command += [self.database_url, self.servers, str(self.events)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  our own
        timed = Timed(**json.loads(done.stdout))
        self._seen[part].append(timed)
        print(
            f"  {part:<24} {timed.events / timed.seconds:>10,.0f} events/s  "
            f"{1e6 * timed.cpu / timed.events:6.1f} µs of CPU each in the process itself",
            flush=True,
        )

    def rate(self, part: str) -> float:
        """Return the median of a part's events a second."""
        return statistics.median(timed.events / timed.seconds for timed in self._seen[part])

    def figures(self) -> dict[str, float]:
        """Return what the result file shows beside the figure."""
        found: dict[str, float] = {"events": self.events}
        for part, seen in self._seen.items():
            found[f"{part}: events a second"] = round(self.rate(part))
            cpu = statistics.median(1e6 * timed.cpu / timed.events for timed in seen)
            found[f"{part}: CPU of the process, µs an event"] = round(cpu, 2)
        return found


def rebuild(server: str, servers: str, sizes: Sizes) -> Result:
    """Rebuild the timeline in one process and in two, beside reading the topic and copying the rows."""
    run = Run(server, servers, sizes.size or EVENTS)
    print(f"publishing {run.events:,} events", flush=True)
    asyncio.run(_publish(servers, run.events))
    for _ in range(sizes.rounds):
        for part in ("consume", "copy", _ALONE, _HELPED):
            run.measure(part)
    one, two = run.rate(_ALONE), run.rate(_HELPED)
    floor = min(run.rate("consume"), run.rate("copy"))
    return Result(
        name="rebuild",
        figure=round(one, 1),
        unit="events/s in one process, from the first record to the switch",
        floor=round(floor, 1),
        goal=f"{_OF_THE_SLOWER} of the slower of reading and copying; two processes {_TWICE} times one",
        met=one >= _OF_THE_SLOWER * floor and two >= _TWICE * one,
        peers={**run.figures(), "two processes, times one": round(two / one, 2)},
    )


def apply(server: str, servers: str, sizes: Sizes) -> Result:
    """Apply records to the timeline as a worker does, beside copying the rows that are left in the end."""
    run = Run(server, servers, sizes.size or EVENTS // 5)
    for _ in range(sizes.rounds):
        for part in ("copy", "apply"):
            run.measure(part)
    ours, floor = run.rate("apply"), run.rate("copy")
    return Result(
        name="apply",
        figure=round(ours, 1),
        unit="events/s applied by one worker",
        floor=round(floor, 1),
        goal=f"{_OF_COPY} of COPY",
        met=ours >= _OF_COPY * floor,
        peers=run.figures(),
    )


BENCHMARKS: Final[dict[str, Callable[[str, str, Sizes], Result]]] = {"rebuild": rebuild, "apply": apply}


async def _make_database(server: str, database_url: str) -> None:
    connection = await asyncpg.connect(server)
    await connection.execute(f"drop database if exists {_DATABASE} with (force)")
    await connection.execute(f"create database {_DATABASE}")
    await connection.close()
    connection = await asyncpg.connect(database_url)
    for migration in sorted(MIGRATIONS.glob("*.sql")):
        await connection.execute(migration.read_text().partition("-- migrate:down")[0])
    await connection.execute("checkpoint")
    await connection.close()


async def _publish(servers: str, events: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    config = TOPICS[TOPIC]
    await admin.create_topics([NewTopic(TOPIC, config.partitions, 1, topic_configs=dict(config.configs))])
    await admin.close()
    await publish(servers, happened(events))
