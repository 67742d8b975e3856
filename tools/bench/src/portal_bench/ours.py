"""How fast does our store append, decide, and stand a stampede?"""

import asyncio
import time
from random import Random
from uuid import UUID

from uuid_utils.compat import uuid7

from portal_bench.measured import Measured
from portal_bench.world import (
    NOTE_VISIT,
    PATIENTS,
    VISITS,
    Note,
    VisitNoted,
    context,
    noted,
    numbered,
    open_store,
    visit_tag,
)
from portal_eventstore.decision import about
from portal_eventstore.execute import Decider
from portal_eventstore.store import Query


async def run_ours(database_url: str, mode: str, clients: int, seconds: float, hot: UUID) -> Measured:
    """Run `clients` tasks in this process for `seconds`."""
    store = await open_store(database_url)
    decider = Decider(store)
    measured = Measured(clients)

    async def append(random: Random) -> None:
        command = Note(uuid7(), numbered(random.randrange(PATIENTS)))
        fresh = Query((about(visit_tag(command.visit_id), (VisitNoted,)),))
        await decider.append([noted(command, 1)], context(), unless=[fresh])

    async def command(random: Random) -> None:
        visit = hot if mode == "hot" else numbered(random.randrange(VISITS))
        await decider.execute(NOTE_VISIT, Note(visit, numbered(random.randrange(PATIENTS))), context())

    once = append if mode == "append" else command

    async def work(client: int) -> None:
        random = Random(f"{hot}/{client}")
        while measured.running():
            began = time.perf_counter()
            await once(random)
            measured.note(client, time.perf_counter() - began)

    measured.start(seconds)
    await asyncio.gather(*(work(client) for client in range(clients)))
    measured.stop()
    await decider.close()
    await store.close()
    return measured
