"""Which appointments does the caller have?

The owner stands in the WHERE of every query: another's appointment and none at all are the same 404.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from booking.cursor import decode_cursor, encode_cursor
from booking.ports import CurrentDataKeys, CurrentSeen, CurrentViews, DataKeys, Seen
from portal_chassis.access import CurrentPatient, NotSignedIn, PatientCaller, PatientOnly
from portal_chassis.problems import Invalid, problems
from portal_events.booking import Mode
from portal_events.sensitive import Sealed, reveal
from portal_eventstore.decision import KeyUnavailable, NotFound

router = APIRouter()

_COLUMNS = """
select appointment_id, event_id, slot_id, service_id, doctor_id, facility_id, mode, starts_at, minutes, zone,
    status, reason
from appointments
"""
_ONE = _COLUMNS + "where patient_id = $1 and appointment_id = $2"
_PAGE = (
    _COLUMNS
    + """
where patient_id = $1 and ($2::text is null or status = $2)
and ($3::timestamptz is null or (starts_at, appointment_id) > ($3, $4))
order by starts_at, appointment_id limit $5
"""
)


class AppointmentUnknown(NotFound):
    """There is none, or it is another patient's."""

    code = "appointment-unknown"
    title = "There is no such appointment"


class Status(StrEnum):
    """What became of an appointment."""

    BOOKED = "booked"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Appointment(BaseModel):
    """An appointment. `starts_at` is UTC; `zone` is the wall clock to show it on."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    appointment_id: UUID
    slot_id: UUID
    service_id: UUID
    doctor_id: UUID
    facility_id: UUID
    mode: Mode
    starts_at: datetime
    zone: str
    minutes: int
    status: Status
    reason: str | None


class AppointmentPage(BaseModel):
    """One page of the caller's appointments, the earliest first."""

    items: list[Appointment]
    next: str | None


@router.get(
    "/appointments/{appointment_id}",
    responses=problems(NotSignedIn, PatientOnly, AppointmentUnknown, KeyUnavailable, Invalid),
)
async def show_appointment(
    *,
    appointment_id: UUID,
    caller: CurrentPatient,
    views: CurrentViews,
    seen: CurrentSeen,
    data_keys: CurrentDataKeys,
    response: Response,
) -> Appointment:
    """Show one of the caller's appointments."""
    await _wait(seen, caller, response)
    row = await views.fetchrow(_ONE, caller.patient_id, appointment_id)
    if row is None:
        raise AppointmentUnknown
    return (await _shown([row], caller.patient_id, data_keys))[0]


@router.get(
    "/appointments",
    responses=problems(NotSignedIn, PatientOnly, KeyUnavailable, Invalid),
)
async def list_appointments(  # noqa: PLR0913  what FastAPI injects
    *,
    caller: CurrentPatient,
    views: CurrentViews,
    seen: CurrentSeen,
    data_keys: CurrentDataKeys,
    response: Response,
    status: Status | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> AppointmentPage:
    """List the caller's appointments, the earliest first."""
    after = (None, None) if cursor is None else decode_cursor(cursor, (_instant, UUID))
    await _wait(seen, caller, response)
    rows = await views.fetch(_PAGE, caller.patient_id, status, *after, limit + 1)
    page = rows[:limit]
    following = None
    if len(rows) > limit:
        following = encode_cursor((page[-1]["starts_at"].isoformat(), str(page[-1]["appointment_id"])))
    return AppointmentPage(items=await _shown(page, caller.patient_id, data_keys), next=following)


async def _wait(seen: Seen, caller: PatientCaller, response: Response) -> None:
    if not await seen("appointments", caller.positions):
        response.headers["Portal-Stale"] = "true"


async def _shown(rows: Sequence[Any], patient_id: UUID, data_keys: DataKeys) -> list[Appointment]:
    """Turn rows into answers; the key is asked for only where the patient gave a reason."""
    key = await data_keys.key_for(patient_id) if any(row["reason"] for row in rows) else None
    return [
        Appointment(
            **{name: value for name, value in row.items() if name not in ("event_id", "reason")},
            reason=key and row["reason"] and _reveal(row, key),
        )
        for row in rows
    ]


def _reveal(row: Any, key: bytes) -> str:
    return reveal(Sealed(row["reason"]), key=key, event_id=row["event_id"], field="reason")


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("no instant")
    return instant
