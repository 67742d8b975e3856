"""Does a service know each patient's level from identity's events alone?"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from portal_chassis.levels import LEVELS, level_of
from portal_events.base import Event
from portal_events.identity import Level
from portal_events.stored import Metadata, StoredEvent
from portal_events.testing import ANNA, JAN, confirmed, signed_up
from portal_eventstore.view import Received

pytestmark = pytest.mark.connected

ACCOUNT = UUID(int=9)


@pytest.fixture
async def views(database_url: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2) as pool:
        await pool.execute(LEVELS.table)
        yield pool


async def apply(views: Any, *events: Event, first: int = 1) -> None:
    """Apply a batch, as the projector would; positions count from `first`."""
    async with views.acquire() as connection, connection.transaction():
        await LEVELS.apply(connection, [received(event, first + n) for n, event in enumerate(events)])


def received(event: Event, position: int) -> Received:
    event = event.sealed(event_id=ACCOUNT, key=bytes(32))
    stored = StoredEvent(
        owner="identity",
        position=position,
        id=UUID(int=position),
        type=type(event).__name__,
        version=event.VERSION,
        tags=(),
        data=event.model_dump_json(by_alias=True),
        time=datetime(2026, 11, 1, tzinfo=UTC),
        metadata=Metadata(event.subject, "system:test", ACCOUNT, ACCOUNT, 1),
    )
    return Received("identity.events", 0, position, stored, event)


async def levels(views: Any) -> Sequence[Level]:
    return [await level_of(views, patient) for patient in (ANNA, JAN)]


async def test_given_nothing_when_asked_then_the_level_is_basic(views: Any) -> None:
    await apply(views)
    assert await levels(views) == [Level.BASIC, Level.BASIC]


async def test_given_an_account_when_confirmed_then_its_level_is_full_and_nobody_elses(views: Any) -> None:
    await apply(views, signed_up(ANNA), signed_up(JAN))
    assert await levels(views) == [Level.BASIC, Level.BASIC]
    await apply(views, confirmed(JAN), first=3)
    assert await levels(views) == [Level.BASIC, Level.FULL]


async def test_given_both_in_one_batch_when_applied_once_or_twice_then_full(views: Any) -> None:
    for _ in range(2):
        await apply(views, signed_up(ANNA), confirmed(ANNA))
        assert await levels(views) == [Level.FULL, Level.BASIC]


def test_given_the_view_then_it_reads_identitys_events_only() -> None:
    assert (LEVELS.view, LEVELS.topics) == ("levels", ("identity.events",))
    assert all(event.OWNER == "identity" for event in LEVELS.events)
