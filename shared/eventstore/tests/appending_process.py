"""A process that is killed around a commit: appending_process.py DATABASE_URL OWNER before|after.

It prints the position of what it appended: before the commit, or once that was acknowledged. Its own relay
has no Kafka, so that nothing of it is published.
"""

import asyncio
import sys
import uuid

import asyncpg

from portal_eventstore.postgres import APPEND, PostgresStore, conditions_arguments, events_arguments
from portal_eventstore.relay.publish import Relay
from portal_eventstore.testing.world import append

_NO_KAFKA = "127.0.0.1:1"


async def main() -> None:
    database_url, owner, when = sys.argv[1:]
    new = append(uuid.uuid4())
    if when == "before":
        connection = await asyncpg.connect(database_url)
        await connection.transaction().start()
        arguments = (*events_arguments([new]), *conditions_arguments([new]))
        [position] = await connection.fetchval(APPEND, False, *arguments)
    else:
        relay = Relay(database_url=database_url, owner=owner, bootstrap_servers=_NO_KAFKA)
        await relay.start()
        store = await PostgresStore.connect(database_url, owner)
        [verdict] = await store.append([new])
        assert verdict is not None
        [position] = verdict
    print(position, flush=True)  # noqa: T201  what the test reads
    await asyncio.Event().wait()


asyncio.run(main())
