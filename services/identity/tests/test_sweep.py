"""Are the rows of interrupted sign-ups removed, and no others?"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from identity.app import handlers
from identity.open_staff_account.personnel import Member
from identity.sweep import sweep
from portal_events.identity import Role

Identity = Any
"""The fixtures' service (conftest.py)."""

NOW = datetime.now(UTC)
STAFF = Member(
    email="anna@example.org", password="czerwony rower w piwnicy", name="Anna Lis", roles=(Role.DESK,)
)


def id_at(instant: datetime, end: int) -> UUID:
    return UUID(int=(int(instant.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | end)


@pytest.mark.connected
async def test_given_rows_without_events_when_swept_then_only_those_that_cannot_be_on_their_way_go(
    connected_identity: Identity, identity_url: str
) -> None:
    identity = connected_identity
    opened = (await identity.open()).json()
    on_its_way, orphan = id_at(NOW - timedelta(minutes=50), 1), id_at(NOW - timedelta(minutes=70), 2)
    for row in (on_its_way, orphan):
        await identity.parts.credentials.add(row, "hash", NOW)
        await identity.parts.data_keys.issue(row)
    staff = id_at(NOW - timedelta(minutes=80), 3)
    await handlers(identity.parts).personnel.open(STAFF, account_id=staff, now=NOW, actor="system:test")
    connection = await asyncpg.connect(identity_url)
    await sweep(connection, NOW)
    assert await identity.credential_rows() == {UUID(opened["accountId"]), staff, on_its_way}
    assert await identity.key_rows() == {UUID(opened["patientId"]), staff, on_its_way}
    # An hour later the account's own rows are in the span as well, and stay.
    await sweep(connection, NOW + timedelta(hours=2))
    assert await identity.credential_rows() == {UUID(opened["accountId"]), staff}
    assert await identity.key_rows() == {UUID(opened["patientId"]), staff}
    await connection.close()
