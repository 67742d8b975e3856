"""How do bookings, moves and cancellations become the list of a patient's appointments?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from portal_events.booking import AppointmentBooked, AppointmentCancelled, AppointmentMoved, Visit
from portal_events.sensitive import Sealed
from portal_events.topics import events_topic
from portal_eventstore.view import Projection, Received

_BOOKED = """
insert into appointments (
    appointment_id, slot_id, service_id, doctor_id, facility_id, mode, starts_at, minutes, zone,
    patient_id, event_id, source, reason, status
)
select *, 'booked'
from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::timestamptz[], $8::int[],
    $9::text[], $10::uuid[], $11::uuid[], $12::text[], $13::text[]
)
on conflict (appointment_id) do nothing
"""

_MOVED = """
update appointments a
set slot_id = m.slot_id, service_id = m.service_id, doctor_id = m.doctor_id, facility_id = m.facility_id,
    mode = m.mode, starts_at = m.starts_at, minutes = m.minutes, zone = m.zone
from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::timestamptz[], $8::int[],
    $9::text[]
) as m (appointment_id, slot_id, service_id, doctor_id, facility_id, mode, starts_at, minutes, zone)
where a.appointment_id = m.appointment_id
"""

_CANCELLED = "update appointments set status = 'cancelled' where appointment_id = any ($1::uuid[])"


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Add, then move, then cancel, each in one statement; what is sealed stays sealed.

    An appointment is booked before it is moved, and cancelled last: of many moves the last one counts.
    """
    booked: list[tuple[Any, ...]] = []
    moved: dict[UUID, tuple[Any, ...]] = {}
    cancelled: list[UUID] = []
    for received in batch:
        match received.event:
            case AppointmentBooked() as event:
                reason = event.reason.token if isinstance(event.reason, Sealed) else None
                beside = (event.patient_id, received.stored.id, event.source.value, reason)
                booked.append((*_place(event.appointment_id, event), *beside))
            case AppointmentMoved(appointment_id=appointment_id, after=visit):
                moved[appointment_id] = _place(appointment_id, visit)
            case AppointmentCancelled(appointment_id=appointment_id):
                cancelled.append(appointment_id)
    if booked:
        await connection.execute(_BOOKED, *zip(*booked, strict=True))
    if moved:
        await connection.execute(_MOVED, *zip(*moved.values(), strict=True))
    if cancelled:
        await connection.execute(_CANCELLED, cancelled)


def _place(appointment_id: UUID, visit: AppointmentBooked | Visit) -> tuple[Any, ...]:
    return (
        appointment_id,
        visit.slot_id,
        visit.service_id,
        visit.doctor_id,
        visit.facility_id,
        visit.mode.value,
        visit.starts_at,
        visit.minutes,
        visit.zone,
    )


APPOINTMENTS = Projection(
    view="appointments",
    topics=(events_topic("booking"),),
    events=(AppointmentBooked, AppointmentMoved, AppointmentCancelled),
    table=Path(__file__).with_name("table.sql").read_text(encoding="utf-8"),
    apply=apply,
)
