"""What if the wall clock of one process is a day off, or jumps while it runs?"""

from __future__ import annotations

import pytest

from portal_faults.clocks import RIGHT
from portal_faults.stack import Stack

from .conftest import FULL, SOME, Ordeal

pytestmark = pytest.mark.connected


@pytest.fixture(autouse=True)
def settable(stack: Stack) -> None:
    if not stack.clocks:
        pytest.skip("libfaketime could not be fetched")


@pytest.mark.parametrize("name", ["booking", *(["booking-worker", "gateway-worker"] if FULL else [])])
async def test_given_a_process_whose_clock_jumps_a_day_ahead_and_back_when_people_book_then_the_order_holds(
    stack: Stack, ordeal: Ordeal, name: str
) -> None:
    try:
        async with ordeal.survived(may_fail=False, one_clock=False) as people:
            for offset in ("+1d", "-1d", RIGHT):
                stack.clocks[name].set(offset)
                await people.acted(SOME)
    finally:
        stack.clocks[name].set(RIGHT)
