"""What does each process of the race do? Tasks, each with a store and a decider of its own, meet every round."""

import asyncio
from multiprocessing.synchronize import Barrier
from typing import Any
from uuid import UUID, uuid4, uuid5

from examples import TAKE, AlreadyTaken, Take, append, context, thing
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.store import Query


def race_appends(url: str, race: UUID, rounds: int, tasks: int, barrier: Barrier, wins: Any) -> None:
    """Append on the condition that nobody did; `wins[round]` counts those who got through."""

    async def attempt(store: PostgresStore, slot: UUID) -> bool:
        return await store.append([append(slot, unless=[Query(thing(slot))])]) != [None]

    asyncio.run(_race(url, race, rounds, tasks, barrier, wins, attempt))


def race_decisions(url: str, race: UUID, rounds: int, tasks: int, barrier: Barrier, wins: Any) -> None:
    """Take the same thing by a decision, each task through a decider of its own."""
    deciders: dict[int, Decider] = {}

    async def attempt(store: PostgresStore, slot: UUID) -> bool:
        decider = deciders.setdefault(id(store), Decider(store))
        try:
            await decider.execute(TAKE, Take(slot, uuid4()), context())
        except AlreadyTaken:
            return False
        return True

    asyncio.run(_race(url, race, rounds, tasks, barrier, wins, attempt))


async def _race(
    url: str, race: UUID, rounds: int, tasks: int, barrier: Barrier, wins: Any, attempt: Any
) -> None:
    stores = [await PostgresStore.connect(url, "example") for _ in range(tasks)]
    for number in range(rounds):
        await asyncio.to_thread(barrier.wait, 30)
        won = await asyncio.gather(*(attempt(store, uuid5(race, str(number))) for store in stores))
        with wins.get_lock():
            wins[number] += sum(won)
    for store in stores:
        await store.close()
