"""Which appointments does the caller have?

The owner stands in the WHERE of every query: another's appointment and none at all are the same 404.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from booking.appointment import Appointment, Status, cancellable_at, status_at
from booking.camel import Camel
from booking.cursor import decode_cursor, encode_cursor
from booking.ports import CurrentDataKeys, CurrentSeen, CurrentViews, DataKeys, Seen
from booking.rules.own_appointment import AppointmentUnknown
from portal_chassis.access import CurrentPatient, NotSignedIn, PatientCaller, PatientOnly
from portal_chassis.clock import CurrentTime
from portal_chassis.problems import Invalid, problems
from portal_events.booking import Source
from portal_events.sensitive import Sealed, reveal
from portal_eventstore.decision import KeyUnavailable, StoreUnavailable

router = APIRouter()

# The catalogue is another view: at a start from nothing, its names may come a moment after a booking.
_COLUMNS = """
select a.appointment_id, a.event_id, a.slot_id, a.service_id, a.doctor_id, a.facility_id, a.mode, a.starts_at,
    a.minutes, a.zone, a.status, a.source, a.reason,
    coalesce(s.name, '') as service_name, coalesce(s.name_en, '') as service_name_en,
    coalesce(d.name, '') as doctor_name, coalesce(f.name, '') as facility_name,
    coalesce(f.street, '') as street, coalesce(f.postal_code, '') as postal_code,
    coalesce(f.city, '') as city, coalesce(f.phone, '') as phone
from appointments a
left join catalogue_service s on s.service_id = a.service_id
left join catalogue_doctor d on d.doctor_id = a.doctor_id
left join catalogue_facility f on f.facility_id = a.facility_id
"""
_ONE = _COLUMNS + "where a.patient_id = $1 and a.appointment_id = $2"
_PAGE = (
    _COLUMNS
    + """
where a.patient_id = $1
and ($2::text is null or $2 = case
    when a.status = 'booked' and a.starts_at + a.minutes * interval '1 minute' <= $3 then 'completed'
    else a.status
end)
and ($4::timestamptz is null or (a.starts_at, a.appointment_id) > ($4, $5))
order by a.starts_at, a.appointment_id limit $6
"""
)


class ServiceNamed(Camel):
    """The service, in both languages."""

    id: UUID
    name: str
    name_en: str


class DoctorNamed(Camel):
    """Whom the patient visits."""

    id: UUID
    name: str


class FacilityNamed(Camel):
    """Where, and whom to call."""

    id: UUID
    name: str
    street: str
    postal_code: str
    city: str
    phone: str


class OwnAppointment(Appointment):
    """An appointment with the names of all that belongs to it, and the patient's own words."""

    service: ServiceNamed
    doctor: DoctorNamed
    facility: FacilityNamed
    reason: str | None


class AppointmentPage(BaseModel):
    """One page of the caller's appointments, the earliest first."""

    items: list[OwnAppointment]
    next: str | None


@router.get(
    "/appointments/{appointment_id}",
    responses=problems(
        NotSignedIn, PatientOnly, AppointmentUnknown, KeyUnavailable, StoreUnavailable, Invalid
    ),
)
async def show_appointment(
    *,
    appointment_id: UUID,
    caller: CurrentPatient,
    views: CurrentViews,
    seen: CurrentSeen,
    data_keys: CurrentDataKeys,
    now: CurrentTime,
    response: Response,
) -> OwnAppointment:
    """Show one of the caller's appointments."""
    await _wait(seen, caller, response)
    row = await views.fetchrow(_ONE, caller.patient_id, appointment_id)
    if row is None:
        raise AppointmentUnknown
    return (await _shown([row], caller.patient_id, data_keys, now))[0]


@router.get(
    "/appointments",
    responses=problems(NotSignedIn, PatientOnly, KeyUnavailable, StoreUnavailable, Invalid),
)
async def list_appointments(  # noqa: PLR0913  what FastAPI injects
    *,
    caller: CurrentPatient,
    views: CurrentViews,
    seen: CurrentSeen,
    data_keys: CurrentDataKeys,
    now: CurrentTime,
    response: Response,
    status: Status | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> AppointmentPage:
    """List the caller's appointments, the earliest first."""
    after = (None, None) if cursor is None else decode_cursor(cursor, (_instant, UUID))
    await _wait(seen, caller, response)
    rows = await views.fetch(_PAGE, caller.patient_id, status, now, *after, limit + 1)
    page = rows[:limit]
    following = None
    if len(rows) > limit:
        following = encode_cursor((page[-1]["starts_at"].isoformat(), str(page[-1]["appointment_id"])))
    return AppointmentPage(items=await _shown(page, caller.patient_id, data_keys, now), next=following)


async def _wait(seen: Seen, caller: PatientCaller, response: Response) -> None:
    response.headers.update(await seen("appointments", caller.positions))


async def _shown(
    rows: Sequence[Any], patient_id: UUID, data_keys: DataKeys, now: datetime
) -> list[OwnAppointment]:
    """Turn rows into answers; the key is asked for only where the patient gave a reason."""
    key = await data_keys.key_for(patient_id) if any(row["reason"] for row in rows) else None
    return [_item(row, key, now) for row in rows]


def _item(row: Any, key: bytes | None, now: datetime) -> OwnAppointment:
    cancelled, source = row["status"] == Status.CANCELLED, Source(row["source"])
    return OwnAppointment(
        appointment_id=row["appointment_id"],
        slot_id=row["slot_id"],
        service_id=row["service_id"],
        doctor_id=row["doctor_id"],
        facility_id=row["facility_id"],
        mode=row["mode"],
        starts_at=row["starts_at"],
        zone=row["zone"],
        minutes=row["minutes"],
        status=status_at(now, row["starts_at"], row["minutes"], cancelled=cancelled),
        source=source,
        cancellable=cancellable_at(now, row["starts_at"], source, cancelled=cancelled),
        service=ServiceNamed(id=row["service_id"], name=row["service_name"], name_en=row["service_name_en"]),
        doctor=DoctorNamed(id=row["doctor_id"], name=row["doctor_name"]),
        facility=FacilityNamed(
            id=row["facility_id"],
            name=row["facility_name"],
            street=row["street"],
            postal_code=row["postal_code"],
            city=row["city"],
            phone=row["phone"],
        ),
        reason=None if key is None or row["reason"] is None else _reveal(row, key),
    )


def _reveal(row: Any, key: bytes) -> str:
    return reveal(Sealed(row["reason"]), key=key, event_id=row["event_id"], field="reason")


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("no instant")
    return instant
