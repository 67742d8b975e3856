"""Who asks? Patients with sessions, as the gateway would have opened them, without signing in one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from gateway.edge.session import digest, new_token


@dataclass(frozen=True, slots=True)
class Person:
    """A patient who is signed in; `cookie` is the header that says so."""

    patient_id: UUID
    cookie: str


async def signed_in(database_url: str, patient_ids: Sequence[UUID]) -> list[Person]:
    """Insert a session for each patient into the gateway's table."""
    now = datetime.now(UTC)
    people, rows = [], []
    for patient_id in patient_ids:
        token = new_token()
        people.append(Person(patient_id, f"portal={token}"))
        rows.append((digest(token), uuid7(), uuid7(), patient_id, ["patient"], now, now))
    connection = await asyncpg.connect(database_url)
    columns = ("digest", "id", "account_id", "patient_id", "roles", "created_at", "seen_at")
    await connection.copy_records_to_table("session", records=rows, columns=columns)
    await connection.execute("vacuum analyze session")
    await connection.close()
    return people
