"""A relay in a process of its own, to be paused: relay_process.py DATABASE_URL OWNER SERVERS LEASE."""

import asyncio
import sys

from portal_eventstore.relay.publish import Relay


async def main() -> None:
    database_url, owner, servers, lease = sys.argv[1:]
    relay = Relay(
        database_url=database_url, owner=owner, bootstrap_servers=servers, lease_seconds=float(lease)
    )
    await relay.start()
    await asyncio.Event().wait()


asyncio.run(main())
