"""What is one part of the benchmarks of views, and how long does it take in a process of its own?

`python -m portal_bench.timing PART DATABASE KAFKA EVENTS` prints one line of JSON.
"""

import asyncio
import gc
import json
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final, Self

import asyncpg
import uvloop

from gateway.timeline.project import TIMELINE
from portal_bench.visits import TOPIC, happened, incoming
from portal_eventstore.consume import Place, ViewConsumption, fresh
from portal_eventstore.history import fences, read
from portal_eventstore.kafka import Incoming, Partition
from portal_eventstore.rebuild.rebuild import help_filling, rebuild
from portal_eventstore.view import view_of

BATCH: Final = 5_000
"""As many records as a consumer that is behind is handed at once."""

_VIEW: Final = view_of(TIMELINE)


@dataclass(frozen=True)
class Part:
    """Where a part works, and with how many events."""

    database_url: str
    servers: str
    events: int


@dataclass(frozen=True)
class Timed:
    """How many events in how many seconds; `cpu`: seconds of this process itself."""

    events: int
    seconds: float
    cpu: float


async def consume(part: Part) -> Timed:
    """Read the topic, and do nothing with it."""
    with _Watch() as watch:
        count = 0
        for place, held in (await fences(part.servers, TOPIC)).items():
            async for records in read(part.servers, *place, held.begin, held.end):
                count += len(records)
    return watch.timed(count)


async def copy(part: Part) -> Timed:
    """Copy the rows that the events leave behind, ready-made, into a table without indexes."""
    if _VIEW.bulk is None:
        raise TypeError
    lanes: dict[int, list[Incoming]] = defaultdict(list)
    for record in incoming(happened(part.events)):
        lanes[record.partition].append(record)
    ready = [
        _VIEW.bulk.rows(fresh(lane, Place(0, 0), _VIEW.parse).values)["timeline"] for lane in lanes.values()
    ]
    async with _connected(part) as pool, pool.acquire() as connection:
        await connection.execute(_VIEW.table)
        await connection.execute("drop table if exists bare")
        await connection.execute("create table bare (like timeline)")
        with _Watch() as watch:
            for rows in ready:
                await connection.copy_records_to_table("bare", records=rows)
        await connection.execute("drop table bare")
    return watch.timed(part.events)


async def rebuild_alone(part: Part) -> Timed:
    """Rebuild the timeline in this process, from the first record to the switch."""
    with _Watch() as watch:
        rebuilt = await rebuild(part.database_url, part.servers, _VIEW)
    return watch.timed(rebuilt.records)


async def rebuild_helped(part: Part) -> Timed:
    """Rebuild the timeline in this process and another."""
    command = [sys.executable, "-m", "portal_bench.timing", "help", *map(str, asdict(part).values())]

    async def helper() -> None:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        await process.wait()

    with _Watch() as watch:
        rebuilt = await rebuild(part.database_url, part.servers, _VIEW, [helper])
    return watch.timed(rebuilt.records)


async def help_with_it(part: Part) -> Timed:
    """Fill some of a build that another process leads."""
    with _Watch() as watch:
        await help_filling(part.database_url, part.servers, _VIEW)
    return watch.timed(0)


async def apply(part: Part) -> Timed:
    """Let the view see the records as a consumer that is behind hands them over."""
    batches = list(_batches(incoming(happened(part.events))))
    async with _connected(part) as pool:
        await pool.execute("drop table if exists timeline; delete from projection_position")
        await pool.execute(_VIEW.table)
        consumption = ViewConsumption(pool, _VIEW)
        await consumption.begin({place for batch in batches for place in batch})
        with _Watch() as watch:
            for batch in batches:
                if await consumption.handle(batch):
                    raise ValueError(f"not applied: {consumption.problems()}")
    return watch.timed(part.events)


PARTS: Final[dict[str, Callable[[Part], Awaitable[Timed]]]] = {
    "consume": consume,
    "copy": copy,
    "rebuild": rebuild_alone,
    "rebuild, two processes": rebuild_helped,
    "help": help_with_it,
    "apply": apply,
}


class _Watch:
    """Times a block, with garbage collected as in a process of a service (portal_chassis.service)."""

    def __enter__(self) -> Self:
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 50)
        self._began, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds, self._used = time.perf_counter() - self._began, time.process_time() - self._cpu

    def timed(self, events: int) -> Timed:
        """Return what the block took."""
        return Timed(events, self._seconds, self._used)


@asynccontextmanager
async def _connected(part: Part) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(part.database_url, min_size=1, max_size=2) as pool:
        yield pool


def _batches(records: Iterator[Incoming]) -> Iterator[dict[Partition, Sequence[Incoming]]]:
    while some := list(islice(records, BATCH)):
        lanes: dict[Partition, list[Incoming]] = defaultdict(list)
        for record in some:
            lanes[record.topic, record.partition].append(record)
        yield dict(lanes)


def main() -> None:
    """Run one part."""
    name, database_url, servers, events = sys.argv[1:]
    timed = uvloop.run(_run(PARTS[name], Part(database_url, servers, int(events))))
    print(json.dumps(asdict(timed)))


async def _run(part: Callable[[Part], Awaitable[Timed]], where: Part) -> Timed:
    return await part(where)


if __name__ == "__main__":
    main()
