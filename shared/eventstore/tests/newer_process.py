"""A worker and writer of the next release: newer_process.py DATABASE_URL OWNER SERVERS COUNT TOTAL.

Its events have a field more, which older ones need not have. It appends COUNT of them, follows the view
beside the older worker until TOTAL are applied, and prints what was wrong.
"""

import asyncio
import sys
import uuid
from typing import ClassVar

import asyncpg

from portal_eventstore.command import Context
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.project import Projector
from portal_eventstore.testing.kafka_log import Counted, effects
from portal_eventstore.testing.waiting import until
from portal_eventstore.testing.world import context

_DATABASE, _OWNER, _SERVERS, _COUNT, _TOTAL = sys.argv[1:]


class _NewerCounted(Counted):
    OWNER: ClassVar[str] = _OWNER
    SUBJECT: ClassVar[str] = "subject_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("subject_id",)

    unit: str = "piece"


async def main() -> None:
    newer = type("Counted", (_NewerCounted,), {"OWNER": _OWNER, "SUBJECT": "subject_id"})
    pool = await asyncpg.create_pool(_DATABASE, min_size=1, max_size=4)
    store = await PostgresStore.connect(_DATABASE, _OWNER)
    decider = Decider(store)
    # A group of its own: each of the two believes that every partition is its own, and reads everything.
    projector = Projector(
        service=f"{_OWNER}-newer", pool=pool, bootstrap_servers=_SERVERS, projections=[effects(newer)]
    )
    await projector.start()
    somebody: Context = context()
    for number in range(int(_COUNT)):
        event = newer(subject_id=uuid.UUID(int=number % 5), number=number, unit="metre")
        await decider.append([event], somebody)

    async def all_applied() -> bool:
        return bool(await pool.fetchval("select count(*) >= $1 from effect", int(_TOTAL)))

    await until(all_applied, "all is applied")
    print(projector.problems(), flush=True)  # noqa: T201  what the test reads
    await projector.stop()
    await decider.close()
    await store.close()
    await pool.close()


asyncio.run(main())
