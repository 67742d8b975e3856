"""Which portal do the fault tests hurt, how hard, and what did they find?"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from portal_faults.crowd import Crowd, crowd
from portal_faults.planting import planted
from portal_faults.stack import Stack, started
from portal_faults.topics import check_topics

FULL = os.environ.get("PORTAL_PROOF_SIZE") == "full"
PAUSE = 60.0 if FULL else 20.0
"""Seconds: longer than every lease, and twice what the gateway waits for an answer."""

WELL_WITHIN = 30.0
"""Seconds, as promised: on two busy cores the slowest to come back, Kafka, takes some 18."""

SOME = 30
"""Requests that are answered well before a fault and after it."""


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Bring up one portal for all of them."""
    with started(variables=planted(Path(__file__).parent)) as running:
        yield running


@dataclass
class Ordeal:
    """A crowd at a portal that is hurt: `may_fail` says whether answers of 503 are honest here."""

    stack: Stack
    file: Path
    found: dict[str, Any] = field(default_factory=dict)

    @asynccontextmanager
    async def survived(self, *, may_fail: bool) -> AsyncIterator[Crowd]:
        """Hurt the portal within this block; it recovers, and has kept every promise."""
        async with crowd(self.stack, self.file) as people:
            await people.acted(SOME)
            yield people
            began = time.monotonic()
            await self.stack.recovered(WELL_WITHIN)
            self.found["recovered_seconds"] = round(time.monotonic() - began, 1)
            await people.acted(SOME)
        await self.kept(people, may_fail=may_fail)

    async def kept(self, people: Crowd, *, may_fail: bool) -> None:
        """See that nothing acknowledged is lost or doubled, anywhere."""
        began = time.monotonic()
        await self.stack.published(60)
        self.found["published_seconds"] = round(time.monotonic() - began, 1)
        self.found |= await people.verdict()
        await check_topics(self.stack)
        assert set(people.faults()) <= ({503} if may_fail else set()), people.faults()
        assert not people.improper, people.improper[:5]


@pytest.fixture
def ordeal(
    stack: Stack, tmp_path: Path, proof: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[Ordeal]:
    """Prepare one; what it found is kept under the test's name."""
    prepared = Ordeal(stack, tmp_path / "history.jsonl")
    yield prepared
    proof[request.node.name] = prepared.found
