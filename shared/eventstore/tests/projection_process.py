"""A worker with one view, to be killed: projection_process.py DATABASE_URL OWNER SERVERS."""

import asyncio
import sys

import asyncpg

from portal_eventstore.project import Projector
from portal_eventstore.testing.kafka_log import counted_class, effects


async def main() -> None:
    database_url, owner, servers = sys.argv[1:]
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=4)
    projector = Projector(
        service=owner, pool=pool, bootstrap_servers=servers, projections=[effects(counted_class(owner))]
    )
    await projector.start()
    await asyncio.Event().wait()


asyncio.run(main())
