"""What if a service cannot reach Kafka or PostgreSQL, though both are well?"""

from __future__ import annotations

import asyncio

import pytest

from portal_faults.stack import SERVICES, Stack
from portal_faults.toxiproxy import CUT, DEAF, Toxic, delay, narrow

from .conftest import FULL, SOME, Ordeal

pytestmark = pytest.mark.connected

LATE = 200
"""Milliseconds."""

TIMES = 10
CUT_OFF = SERVICES if FULL else ("booking",)
WAYS = {
    "late postgres": ("booking-postgres", delay(100)),
    "narrow kafka": ("gateway-kafka", narrow(16)),
    "late kafka": ("booking-kafka", delay(500)),
    "narrow postgres": ("booking-postgres", narrow(64)),
}
SLOW = dict(list(WAYS.items())[: None if FULL else 2])


@pytest.fixture(autouse=True)
def proxied(stack: Stack) -> None:
    if stack.proxy is None:
        pytest.skip("no Toxiproxy: neither Go nor uv can build it here")


@pytest.mark.parametrize("service", CUT_OFF)
async def test_given_a_service_cut_off_from_kafka_when_people_book_then_nobody_notices_a_thing_but_age(
    stack: Stack, ordeal: Ordeal, service: str
) -> None:
    async with ordeal.survived(may_fail=False) as people:
        with stack.spoiled(f"{service}-kafka", CUT):
            await people.acted(3 * SOME)


@pytest.mark.parametrize("service", CUT_OFF)
async def test_given_a_service_cut_off_from_postgres_when_people_book_then_503_at_worst_and_nothing_is_lost(
    stack: Stack, ordeal: Ordeal, service: str
) -> None:
    async with ordeal.survived(may_fail=True) as people:
        with stack.spoiled(f"{service}-postgres", CUT):
            # Few need identity: those who open accounts.
            await people.failed(2)


async def test_given_answers_of_postgres_that_do_not_arrive_when_people_book_then_nothing_happens_twice(
    stack: Stack, ordeal: Ordeal
) -> None:
    async with ordeal.survived(may_fail=True) as people:
        # Late answers, so that most of the time some are on their way: these are lost with their connection,
        # and soon enough for everybody who waits for one to ask again.
        with stack.spoiled("booking-postgres", delay(LATE)):
            for _ in range(TIMES):
                await people.acted(TIMES)
                with stack.spoiled("booking-postgres", DEAF):
                    await asyncio.sleep(3 * LATE / 1000)


@pytest.mark.parametrize(("link", "toxics"), SLOW.values(), ids=SLOW)
async def test_given_a_slow_way_when_people_book_then_all_of_it_arrives(
    stack: Stack, ordeal: Ordeal, link: str, toxics: tuple[Toxic, ...]
) -> None:
    async with ordeal.survived(may_fail=True) as people:
        with stack.spoiled(link, toxics):
            await people.acted(SOME)
