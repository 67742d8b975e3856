"""What does booking's store hold, as far as a history can be judged by it?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from portal_faults.history.operation import Kind

KINDS: Final = {
    "AppointmentBooked": Kind.BOOK,
    "AppointmentMoved": Kind.MOVE,
    "AppointmentCancelled": Kind.CANCEL,
    "SlotHeld": Kind.HOLD,
    "HoldReleased": Kind.RELEASE,
}
_FACTS: Final = """
select position, id, type, data, metadata, extract(epoch from time)::float8 as time from event
where type = any ($1) order by position
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event. `request`: the trace id of the request that caused it; `time`: what it was decided at.

    `slot`: the time that it takes; `before`: the time that it gives up. `hold`: what is held, given back or,
    of a booking, used.
    """

    position: int
    id: str
    kind: Kind
    request: str
    patient: str
    time: float = 0.0
    appointment: str | None = None
    slot: str | None = None
    before: str | None = None
    hold: str | None = None
    expires_at: float | None = None


async def read_facts(database_url: str) -> list[Fact]:
    """Read booking's whole store in the order of positions."""
    connection = await asyncpg.connect(database_url)
    try:
        return facts_of(await connection.fetch(_FACTS, list(KINDS)))
    finally:
        await connection.close()


def facts_of(rows: Sequence[Any]) -> list[Fact]:
    """Read what the history is about out of the store's rows."""
    facts = []
    for row in rows:
        data, metadata = orjson.loads(row["data"]), orjson.loads(row["metadata"])
        place = data.get("after", data)
        expires_at = data.get("expiresAt")
        facts.append(
            Fact(
                position=row["position"],
                id=str(row["id"]),
                kind=KINDS[row["type"]],
                request=UUID(metadata["correlationId"]).hex,
                patient=data["patientId"],
                time=row["time"],
                appointment=data.get("appointmentId"),
                slot=place.get("slotId"),
                before=(data.get("before") or data.get("visit") or {}).get("slotId"),
                hold=data.get("holdId"),
                expires_at=None if expires_at is None else datetime.fromisoformat(expires_at).timestamp(),
            )
        )
    return facts
