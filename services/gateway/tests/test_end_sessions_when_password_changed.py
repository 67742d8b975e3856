"""Do sessions that began before a password change end, though nobody was there to end them?"""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.database import connected
from gateway.edge.session import Session, digest, new_token
from gateway.edge.session_table import SessionTable
from gateway.end_sessions_when_password_changed.react import END_SESSIONS
from gateway.worker import PROJECTIONS
from portal_events.identity import PasswordChange, PasswordChanged
from portal_events.stored import Metadata, StoredEvent
from portal_eventstore.editions import create_tables
from portal_eventstore.project import reached
from portal_eventstore.view import Received, view_of

pytestmark = pytest.mark.connected

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
POSITION = 41
MOMENT = timedelta(microseconds=1)


def a_session(account_id: uuid.UUID, created_at: datetime, password_position: int = 0) -> Session:
    return Session(
        digest=digest(new_token()),
        id=uuid.uuid4(),
        account_id=account_id,
        patient_id=uuid.uuid4(),
        roles=(),
        created_at=created_at,
        seen_at=NOON + timedelta(minutes=5),
        password_position=password_position,
    )


def changed(account_id: uuid.UUID, time: datetime = NOON, position: int = POSITION) -> StoredEvent:
    event = PasswordChanged(account_id=account_id, patient_id=uuid.uuid4(), change=PasswordChange.RESET)
    return StoredEvent(
        owner="identity",
        position=position,
        id=uuid.uuid4(),
        type="PasswordChanged",
        version=1,
        tags=tuple(sorted(event.tags())),
        data=event.model_dump_json(by_alias=True),
        time=time,
        metadata=Metadata(event.subject, "system:test", uuid.uuid4(), uuid.uuid4(), 1),
    )


@pytest.fixture
async def pool(gateway_url: str) -> AsyncIterator[Any]:
    async with connected(gateway_url, "test") as pool:
        yield pool


async def react(pool: Any, *changes: StoredEvent) -> None:
    batch = [Received("identity.events", 0, n, s, s.decode()) for n, s in enumerate(changes)]
    async with pool.acquire() as connection, connection.transaction():
        await END_SESSIONS.apply(connection, batch)


async def kept(table: SessionTable, sessions: list[Session]) -> list[bool]:
    return [await table.find(session.digest) is not None for session in sessions]


async def with_sessions(pool: Any, *sessions: Session) -> SessionTable:
    table = SessionTable(pool)
    for session in sessions:
        await table.add(session, instead_of=None)
    return table


async def test_given_a_change_then_sessions_that_began_before_it_end_and_later_ones_and_others_stay(
    pool: Any,
) -> None:
    account_id = uuid.uuid4()
    sessions = [
        a_session(account_id, NOON - timedelta(hours=1)),
        a_session(account_id, NOON - MOMENT),
        a_session(account_id, NOON),
        a_session(account_id, NOON + MOMENT),
        a_session(uuid.uuid4(), NOON - timedelta(hours=1)),
    ]
    table = await with_sessions(pool, *sessions)
    await react(pool, changed(account_id))
    assert await kept(table, sessions) == [False, False, False, True, True]


@pytest.mark.parametrize("began", [NOON + MOMENT, NOON, NOON - timedelta(seconds=3)])
async def test_hazard_clocks_equal_or_apart_then_what_the_change_itself_opened_stays(
    pool: Any, began: datetime
) -> None:
    account_id = uuid.uuid4()
    sessions = [a_session(account_id, began, POSITION), a_session(account_id, NOON, POSITION - 1)]
    table = await with_sessions(pool, *sessions)
    await react(pool, changed(account_id))
    assert await kept(table, sessions) == [True, False]


async def test_given_two_changes_in_a_batch_when_one_opened_a_session_then_the_other_ends_it(
    pool: Any,
) -> None:
    account_id, other = uuid.uuid4(), uuid.uuid4()
    sessions = [
        a_session(account_id, NOON + timedelta(seconds=1), POSITION),
        a_session(account_id, NOON + timedelta(minutes=2), POSITION + 1),
        a_session(other, NOON - timedelta(minutes=1)),
    ]
    table = await with_sessions(pool, *sessions)
    await react(
        pool,
        changed(account_id),
        changed(account_id, NOON + timedelta(minutes=1), POSITION + 1),
        changed(other, NOON, POSITION + 2),
    )
    assert await kept(table, sessions) == [False, True, False]


async def test_given_the_same_change_again_then_nothing_more_ends(pool: Any) -> None:
    account_id = uuid.uuid4()
    later = a_session(account_id, NOON + timedelta(minutes=1))
    change = changed(account_id)
    table = await with_sessions(pool, later)
    await react(pool, change, change)
    await react(pool, change)
    assert await table.find(later.digest) == later


async def test_given_the_worker_when_it_starts_then_the_reaction_follows_without_a_table(pool: Any) -> None:
    assert END_SESSIONS in PROJECTIONS
    await create_tables(pool, [view_of(END_SESSIONS)])
    assert not await reached(pool, END_SESSIONS.view, {("identity.events", 0): 1}, 0)
