"""After everything that the other tests of this folder did: do stores, topics and views agree?"""

from __future__ import annotations

import asyncio
import sys

import pytest

from portal_faults.stack import Stack
from portal_launcher.layout import ROOT

pytestmark = pytest.mark.connected


async def test_given_all_that_was_done_to_a_portal_when_verified_then_store_topic_and_views_agree(
    stack: Stack,
) -> None:
    verify = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "portal"),
        "verify",
        cwd=ROOT,
        env=stack.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await verify.communicate()
    assert verify.returncode == 0, said.decode()
