"""Do sessions live in PostgreSQL as the port promises?"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from gateway.database import connected
from gateway.edge.open_sessions import OpenSessions, Person
from gateway.edge.session import Session, digest, new_token
from gateway.edge.session_table import SessionTable
from gateway.unavailable import ServiceUnavailable

pytestmark = pytest.mark.connected

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_session(**changed: Any) -> Session:
    session = Session(
        digest=digest(new_token()),
        id=uuid4(),
        account_id=uuid4(),
        patient_id=uuid4(),
        roles=(),
        created_at=NOON,
        seen_at=NOON,
        user_agent="Mozilla/5.0 (é)",
        password_position=7,
    )
    return replace(session, **changed)


@pytest.fixture
async def pool(gateway_url: str) -> AsyncIterator[Any]:
    async with connected(gateway_url, "test") as pool:
        yield pool


@pytest.fixture
def table(pool: Any) -> SessionTable:
    return SessionTable(pool)


async def test_given_a_session_when_found_then_the_same(table: SessionTable) -> None:
    patient, staff = a_session(), a_session(patient_id=None, roles=("doctor", "desk"))
    await table.add(patient, instead_of=None)
    await table.add(staff, instead_of=None)
    assert await table.find(patient.digest) == patient
    assert await table.find(staff.digest) == staff
    assert await table.find(digest("another")) is None


async def test_given_a_session_when_replaced_or_removed_then_gone(table: SessionTable) -> None:
    first, second = a_session(), a_session()
    await table.add(first, instead_of=None)
    await table.add(second, instead_of=first.digest)
    assert await table.find(first.digest) is None
    await table.remove(second.digest)
    await table.remove(second.digest)
    assert await table.find(second.digest) is None


async def test_given_the_table_behind_the_api_when_sessions_are_listed_and_ended_then_as_in_memory(
    table: SessionTable, portal: Any
) -> None:
    portal.app.state.sessions = OpenSessions(table, portal.clock)
    account_id = await portal.sign_in()
    async with portal.another_browser() as other:
        await portal.sign_in(account_id=account_id, browser=other)
        # Another process remembers nothing: it has the rows alone.
        portal.app.state.sessions = OpenSessions(table, portal.clock)
        items = (await portal.browser.get("/api/sessions")).json()["items"]
        assert [item["current"] for item in items] == [False, True]
        for item in items:
            response = await portal.browser.delete(f"/api/sessions/{item['id']}", headers=portal.csrf)
            assert response.status_code == 204
            assert (await other.get("/api/sessions")).status_code == 401
    assert (await portal.browser.get("/api/sessions")).status_code == 401


async def test_given_accounts_when_their_sessions_are_listed_then_their_own_the_newest_first(
    table: SessionTable,
) -> None:
    old = a_session()
    new = a_session(account_id=old.account_id, created_at=NOON + timedelta(minutes=1))
    for session in (old, new, a_session()):
        await table.add(session, instead_of=None)
    assert await table.of_account(old.account_id) == [new, old]
    assert await table.of_account(uuid4()) == []


async def test_given_a_session_when_its_account_removes_it_by_id_then_gone_and_no_others_can(
    table: SessionTable,
) -> None:
    mine, theirs = a_session(), a_session()
    for session in (mine, theirs):
        await table.add(session, instead_of=None)
    assert await table.remove_own(theirs.id, mine.account_id) is None
    assert await table.remove_own(mine.id, mine.account_id) == mine.digest
    assert await table.remove_own(mine.id, mine.account_id) is None
    assert [await table.find(s.digest) for s in (mine, theirs)] == [None, theirs]


async def test_given_an_account_when_all_its_sessions_are_removed_or_replaced_then_only_its_own(
    table: SessionTable,
) -> None:
    one, other = a_session(), a_session()
    two, three, four = (a_session(account_id=one.account_id) for _ in range(3))
    for session in (one, two, other):
        await table.add(session, instead_of=None)
    await table.replace_all(three)
    assert [await table.find(s.digest) for s in (one, two, three, other)] == [None, None, three, other]
    with pytest.raises(asyncpg.UniqueViolationError):
        await table.replace_all(replace(four, id=other.id))
    assert await table.find(three.digest) == three, "all of it or nothing"
    await table.remove_all(one.account_id)
    assert [await table.find(s.digest) for s in (three, other)] == [None, other]


async def test_hazard_many_end_the_same_sessions_at_once_then_nobody_waits_in_a_ring(
    table: SessionTable,
) -> None:
    account_id = uuid4()
    for _ in range(10):
        for _ in range(20):
            await table.add(a_session(account_id=account_id), instead_of=None)
        async with asyncio.timeout(10):
            await asyncio.gather(
                table.remove_all(account_id),
                table.replace_all(a_session(account_id=account_id)),
                table.sweep(created_before=NOON + timedelta(hours=1), seen_before=NOON),
                table.remove_all(account_id),
            )


async def test_given_uses_when_written_then_never_back_and_nothing_comes_back_to_life(
    table: SessionTable,
) -> None:
    one, two, gone = a_session(), a_session(), a_session()
    for session in (one, two):
        await table.add(session, instead_of=None)
    later = NOON + timedelta(minutes=5)
    await table.touch({one.digest: later, two.digest: NOON - timedelta(minutes=5), gone.digest: later})
    assert await table.find(one.digest) == replace(one, seen_at=later)
    assert await table.find(two.digest) == two
    assert await table.find(gone.digest) is None


async def test_hazard_another_process_writes_the_same_row_then_nobody_waits(
    table: SessionTable, pool: Any
) -> None:
    busy, free = a_session(), a_session()
    for session in (busy, free):
        await table.add(session, instead_of=None)
    later = NOON + timedelta(minutes=5)
    async with pool.acquire() as other, other.transaction():
        await other.execute("select from session where digest = $1 for update", busy.digest)
        async with asyncio.timeout(3):
            await table.touch({busy.digest: later, free.digest: later})
    assert await table.find(busy.digest) == busy
    assert await table.find(free.digest) == replace(free, seen_at=later)


async def test_given_old_sessions_when_swept_then_only_they_go(table: SessionTable) -> None:
    idle = a_session(seen_at=NOON - timedelta(minutes=32))
    old = a_session(created_at=NOON - timedelta(hours=13))
    live = a_session()
    for session in (idle, old, live):
        await table.add(session, instead_of=None)
    await table.sweep(created_before=NOON - timedelta(hours=12), seen_before=NOON - timedelta(minutes=31))
    assert [await table.find(s.digest) for s in (idle, old, live)] == [None, None, live]


async def test_given_the_table_when_read_then_no_cookie_value_is_in_it(
    table: SessionTable, pool: Any
) -> None:
    sessions = OpenSessions(table, lambda: NOON)
    token = await sessions.open(Person(uuid4(), None, ()), began=NOON, replaces=None)
    assert await OpenSessions(table, lambda: NOON).find(token) is not None
    row = await pool.fetchval("select to_jsonb(session)::text from session")
    assert token not in row
    assert token.encode().hex() not in row


async def test_hazard_no_database_then_service_unavailable() -> None:
    async with connected("postgresql://nobody@127.0.0.1:1/gateway", "test") as pool:
        with pytest.raises(ServiceUnavailable):
            await SessionTable(pool).find(digest("x"))
