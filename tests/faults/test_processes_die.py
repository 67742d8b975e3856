"""Does every acknowledged write survive any process that dies or stands still, and does all recover alone?"""

from __future__ import annotations

import pytest

from portal_faults.stack import PROCESSES, SERVERS, Stack

from .conftest import PAUSE, Ordeal

pytestmark = pytest.mark.connected

EVERY = (*PROCESSES, *SERVERS)
MAY_FAIL = {"booking", "identity", "postgres"}
"""Without these there are honest answers of 503; without any other nobody notices a thing but age."""


@pytest.mark.parametrize("name", EVERY)
async def test_given_twenty_clients_when_a_process_is_killed_then_nothing_acknowledged_is_lost(
    stack: Stack, ordeal: Ordeal, name: str
) -> None:
    async with ordeal.survived(may_fail=name in MAY_FAIL):
        dead = stack.kill(name)
        await stack.reborn(dead)


@pytest.mark.parametrize("name", EVERY)
async def test_given_twenty_clients_when_a_process_stands_still_then_nothing_acknowledged_is_lost(
    stack: Stack, ordeal: Ordeal, name: str
) -> None:
    async with ordeal.survived(may_fail=name in MAY_FAIL):
        await stack.pause(name, PAUSE)
