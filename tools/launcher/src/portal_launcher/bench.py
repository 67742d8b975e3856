"""How does a benchmark get servers of its own?"""

from __future__ import annotations

import asyncio
import sys

from portal_launcher.gates import call
from portal_launcher.progress import Progress
from portal_launcher.throwaway import throwaway_servers

ROOMY = {
    # A server of its own size, not of a laptop's portal: a million events and their index stay in memory.
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
}


OF_THE_STORE = ("append", "command", "hot")
"""What measures PostgreSQL alone; everything else measures a whole portal, which needs Kafka."""


def bench(name: str, arguments: list[str]) -> int:
    """Run one benchmark against durable servers that nothing else uses."""
    return asyncio.run(measure(name, arguments))


async def measure(name: str, arguments: list[str]) -> int:
    """Start the servers, hand over, stop them."""
    kafka = name not in OF_THE_STORE
    async with throwaway_servers("bench", Progress(), ROOMY, kafka=kafka) as servers:
        if servers.postgres is None:
            raise AssertionError
        environment = {"DATABASE_URL": servers.postgres.url("postgres", "postgres")}
        if servers.kafka is not None:
            environment["KAFKA_BOOTSTRAP_SERVERS"] = servers.kafka.bootstrap_servers
            environment["PORTAL_STATE"] = str(servers.state / "portal")
        return await call([sys.executable, "-m", "portal_bench", name, *arguments], environment)
