"""Is there one order of all bookings, in real time, that explains what every client was told?

`PORTAL_PROOF_SIZE=full` makes the long history of the proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from portal_faults.history.judge import judge
from portal_faults.history.run import Fault, Plan, make_history
from portal_faults.history.world import make_world
from portal_faults.planting import planted
from portal_faults.stack import Stack, started

from .conftest import FULL, WELL_WITHIN

pytestmark = pytest.mark.connected

_HARDSHIPS = "portal_faults.history.hardships:"
_KILLED = ("booking", "booking-worker", "postgres", "kafka", "gateway")
_PAUSE = 3.0
OPERATIONS, FAULTS, SECONDS = (1_000_000, 200, 14_400.0) if FULL else (20_000, 6, 1_200.0)
FEW = 1_500


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Bring up a portal in which holds lapse after seconds and some answers of the store get lost."""
    hardships = [_HARDSHIPS + "short_holds", _HARDSHIPS + "lost_answers"]
    with started(variables=planted(Path(__file__).parent, hardships)) as running:
        yield running


async def test_given_clients_who_quarrel_when_all_is_over_then_one_order_explains_every_answer(
    stack: Stack, tmp_path: Path, proof: dict[str, Any]
) -> None:
    proof["short history"] = await judged(stack, tmp_path / "history.jsonl", Plan(FEW, within=180))


async def test_given_clients_who_quarrel_when_processes_die_and_stop_then_one_order_explains_every_answer(
    stack: Stack, tmp_path: Path, proof: dict[str, Any]
) -> None:
    plan = Plan(OPERATIONS, within=SECONDS, faults=[hurting(stack, number) for number in range(FAULTS)])
    history = await judged(stack, tmp_path / "history.jsonl", plan)
    proof["history"] = history
    assert history["operations"] >= OPERATIONS


async def judged(stack: Stack, file: Path, plan: Plan) -> dict[str, Any]:
    urls = stack.database_urls
    world = await make_world(
        urls["booking"],
        urls["gateway"],
        doctors=12 if FULL else 3,
        days=3,
        patients=96 if FULL else 24,
    )
    seconds = await make_history(stack.url, urls["booking"], world, file, plan)
    await stack.recovered(WELL_WITHIN)
    figures = await judge(stack, file)
    return {
        **figures,
        "faults": len(plan.faults),
        "operations a second": round(figures["operations"] / seconds, 1),
    }


def hurting(stack: Stack, number: int) -> Fault:
    """Return the fault of this number: each process dies in turn, then booking stands still."""
    name = (*_KILLED, "")[number % (len(_KILLED) + 1)]
    return partial(_kill, stack, name) if name else partial(stack.pause, "booking", _PAUSE)


async def _kill(stack: Stack, name: str) -> None:
    dead = stack.kill(name)
    await stack.reborn(dead)
