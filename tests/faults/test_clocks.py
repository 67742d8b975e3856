"""What if the wall clock of one process jumps a day ahead and back, while people use the portal?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal_faults.clocks import RIGHT
from portal_faults.running import eventually
from portal_faults.stack import Stack

from .conftest import Ordeal

pytestmark = pytest.mark.connected

DAY = timedelta(days=1)
JUMPS = {"+1d": DAY, "-1d": -DAY, RIGHT: timedelta()}
_NEARLY = timedelta(hours=1)


async def test_given_a_clock_that_jumps_a_day_when_people_sign_up_then_the_order_is_that_of_positions(
    stack: Stack, ordeal: Ordeal
) -> None:
    # identity's: with a clock of its own, any other service takes no caller's token, and so no command.
    assert "identity" in stack.clocks, "libfaketime could not be fetched"
    clock = stack.clocks["identity"]
    try:
        # All of it waits for Kafka together: whoever sorts by time brings it into another order.
        async with ordeal.survived(may_fail=False), stack.paused("identity-worker"):
            for offset, jump in JUMPS.items():
                clock.set(offset)

                async def signed_up(jump: timedelta = jump) -> bool:
                    last = "select time - now() as off from event order by position desc limit 1"
                    return any(
                        abs(row["off"] - jump) < _NEARLY for row in await stack.query("identity", last)
                    )

                await eventually(signed_up, f"somebody signs up at {offset}")
    finally:
        clock.set(RIGHT)
