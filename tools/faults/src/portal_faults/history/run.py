"""How is a history made: clients on one side, faults on the other, until there are enough operations?"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from portal_faults.history.client import PATIENCE_SECONDS, Client, Patient
from portal_faults.history.history import Recorder
from portal_faults.history.rival import Rival, second_process
from portal_faults.history.world import World

Fault = Callable[[], Awaitable[None]]
"""Hurts the portal, and returns once it is being mended."""

_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done, by how many; `within` bounds the whole, in seconds. Faults are spread evenly.

    `rivals` act on booking's store beside booking, not over HTTP.
    """

    operations: int
    clients: int = 24
    rivals: int = 3
    seed: int = 1
    within: float = 300.0
    faults: Sequence[Fault] = ()


async def make_history(url: str, booking_url: str, world: World, file: Path, plan: Plan) -> float:
    """Let the clients quarrel, write down what they saw, and return the seconds that it took."""
    chance = random.Random(plan.seed)
    patients = [Patient(person) for person in world.people]
    slots = chance.sample(world.slots, len(world.slots))
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    began = time.monotonic()
    with Recorder(file, world.slots) as recorder:
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as http,
            second_process(booking_url) as decider,
        ):
            clients = [
                Client(
                    number=number,
                    chance=random.Random(chance.random()),
                    patients=patients,
                    slots=slots,
                    http=http,
                    url=url,
                    recorder=recorder,
                    limit=plan.operations,
                    give_up_at=began + plan.within,
                )
                for number in range(plan.clients)
            ]
            rivals = [
                Rival(
                    number=plan.clients + number,
                    chance=random.Random(chance.random()),
                    patients=patients,
                    slots=slots,
                    decider=decider,
                    recorder=recorder,
                    limit=plan.operations,
                    give_up_at=began + plan.within,
                )
                for number in range(plan.rivals)
            ]
            hurting = asyncio.create_task(_hurt(recorder, plan))
            try:
                await asyncio.gather(*(c.run() for c in clients), *(r.run() for r in rivals))
            finally:
                hurting.cancel()
            await asyncio.gather(hurting, return_exceptions=True)
    return time.monotonic() - began


async def _hurt(recorder: Recorder, plan: Plan) -> None:
    for number, fault in enumerate(plan.faults, start=1):
        due = plan.operations * number // (len(plan.faults) + 1)
        while recorder.count < due:  # noqa: ASYNC110  the clients' own progress is waited for
            await asyncio.sleep(_POLL_SECONDS)
        await fault()
