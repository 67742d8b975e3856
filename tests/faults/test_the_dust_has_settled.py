"""After everything that the other tests of this folder did: do stores, topics and views agree?"""

from __future__ import annotations

import asyncio

import pytest

from portal_faults.stack import Stack

pytestmark = pytest.mark.connected


async def test_given_all_that_was_done_to_a_portal_when_verified_then_store_topic_and_views_agree(
    stack: Stack,
) -> None:
    verified = await asyncio.to_thread(stack.tell, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
