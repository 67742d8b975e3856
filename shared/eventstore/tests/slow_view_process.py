"""A worker whose view is slow, to be measured: slow_view_process.py DATABASE_URL OWNER SERVERS."""

import asyncio
import sys
import time
from pathlib import Path

import asyncpg

from portal_eventstore.project import Projector
from portal_eventstore.testing.kafka_log import counted_class, effects
from portal_eventstore.testing.planting import plant_named

_SECONDS_A_BATCH = 0.05


async def main() -> None:
    database_url, owner, servers = sys.argv[1:]
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=4)
    view = effects(counted_class(owner), before=lambda: time.sleep(_SECONDS_A_BATCH))
    projector = Projector(service=owner, pool=pool, bootstrap_servers=servers, projections=[view])
    await projector.start()
    await asyncio.Event().wait()


plant_named(Path(__file__).parent)
asyncio.run(main())
