"""What does each process of the race do? Its tasks, each with a store of its own, meet every round."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any
from uuid import UUID, uuid4, uuid5

from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.store import Query
from portal_eventstore.testing.world import TAKE, AlreadyTaken, Take, append, context, thing

_Attempt = Callable[[PostgresStore, UUID], Awaitable[bool]]


@dataclass(frozen=True)
class Race:
    """`rounds` slots, each raced for by `tasks` tasks in every process."""

    url: str
    id: UUID
    rounds: int
    tasks: int


def race_appends(race: Race, barrier: Barrier, wins: Any) -> None:
    """Append on the condition that nobody did; `wins[round]` counts those who got through."""

    async def attempt(store: PostgresStore, slot: UUID) -> bool:
        return await store.append([append(slot, unless=[Query(thing(slot))])]) != [None]

    asyncio.run(_run(race, barrier, wins, attempt))


def race_decisions(race: Race, barrier: Barrier, wins: Any) -> None:
    """Take the same thing by a decision, each task through a decider of its own."""
    deciders: dict[int, Decider] = {}

    async def attempt(store: PostgresStore, slot: UUID) -> bool:
        decider = deciders.setdefault(id(store), Decider(store))
        try:
            await decider.execute(TAKE, Take(slot, uuid4()), context())
        except AlreadyTaken:
            return False
        return True

    asyncio.run(_run(race, barrier, wins, attempt))


async def _run(race: Race, barrier: Barrier, wins: Any, attempt: _Attempt) -> None:
    stores = [await PostgresStore.connect(race.url, "example") for _ in range(race.tasks)]
    for number in range(race.rounds):
        await asyncio.to_thread(barrier.wait, 30)
        won = await asyncio.gather(*(attempt(store, uuid5(race.id, str(number))) for store in stores))
        with wins.get_lock():
            wins[number] += sum(won)
    for store in stores:
        await store.close()
