"""What if Kafka is not there for a while: do bookings go on, is the backlog seen, and does it drain?"""

from __future__ import annotations

import pytest

from portal_faults.running import eventually
from portal_faults.stack import Stack
from portal_launcher.readiness import ask

from .conftest import SOME, Ordeal

pytestmark = pytest.mark.connected


async def test_given_kafka_away_and_the_relay_killed_meanwhile_when_back_then_all_that_was_booked_is_there(
    stack: Stack, ordeal: Ordeal
) -> None:
    async with ordeal.survived(may_fail=False) as people, stack.paused("kafka"):
        before = people.statuses["POST", 201]
        await people.acted(SOME)
        # Its memory of what it read goes with it: only what Kafka acknowledged may count as published.
        await stack.reborn(stack.kill("booking-worker"))
        await people.acted(SOME)

        async def said() -> str:
            return (await ask(stack.record("booking-worker").port or 0)).missing

        await eventually(said, "the worker says that its work does not go on")
        waiting = await stack.backlog("booking")
        assert waiting > 0
        assert people.statuses["POST", 201] > before
        ordeal.found["backlog"] = waiting
