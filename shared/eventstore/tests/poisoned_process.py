"""A worker that refuses some events, to be killed: poisoned_process.py DATABASE_URL OWNER SERVERS."""

import asyncio
import sys

import asyncpg

from portal_eventstore.project import Projector
from portal_eventstore.testing.kafka_log import counted_class, effects
from portal_eventstore.testing.poison import refusing
from portal_eventstore.view import Received


def refuse(received: Received) -> None:
    key = received.event.subject.int - 1
    if key < 250 and key % 4 == 3 and getattr(received.event, "number", None) in (2, 6):
        raise ValueError


async def main() -> None:
    database_url, owner, servers = sys.argv[1:]
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=4)
    projection = refusing(effects(counted_class(owner)), refuse)
    projector = Projector(service=owner, pool=pool, bootstrap_servers=servers, projections=[projection])
    await projector.start()
    await asyncio.Event().wait()


asyncio.run(main())
