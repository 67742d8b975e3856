"""A worker of two views that dies of one record: deadly_process.py DATABASE_URL OWNER POSITION WHERE.

It dies in the handler, or in reading the record (WHERE is `handle` or `read`). It ends once all is passed.
"""

import asyncio
import os
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from portal_eventstore.consume import ViewConsumption
from portal_eventstore.kafka import Incoming
from portal_eventstore.testing.planting import plant_named
from portal_eventstore.testing.poison import Poisoned, poisoned
from portal_eventstore.view import Parsed, Received, View

DIED = 77


def records(topic: Poisoned) -> None:
    """Put the same topic together in every process: 12 events of each of 20 keys."""
    for number in range(12):
        for subject in range(20):
            topic.add(uuid.UUID(int=subject + 1), number)


def deadly(view: View[Received], position: int, where: str) -> View[Received]:
    async def apply(connection: Any, received: Any) -> None:
        if where == "handle" and any(one.stored.position == position for one in received):
            os._exit(DIED)
        await view.apply(connection, received)

    def parse(record: Incoming) -> Parsed[Received]:
        if where == "read" and int(dict(record.headers)["ce_sequence"]) == position:
            os._exit(DIED)
        return view.parse(record)

    return replace(view, apply=apply, parse=parse)


def innocent(view: View[Received]) -> View[Received]:
    async def apply(connection: Any, received: Any) -> None:
        del received
        await connection.execute("select pg_sleep(0.01)")

    return replace(view, name="innocent", apply=apply)


async def main() -> None:
    database_url, owner, position, where = sys.argv[1:]
    async with poisoned(database_url, owner) as topic:
        records(topic)
        alone = asyncio.Lock()
        one = ViewConsumption(topic.pool, deadly(topic.view, int(position), where), alone)
        other = ViewConsumption(topic.pool, innocent(topic.view), alone)
        await asyncio.gather(topic.feed(one), topic.feed(other))


if __name__ == "__main__":
    plant_named(Path(__file__).parent)  # here, too, a planted bug must not go unseen
    asyncio.run(main())
