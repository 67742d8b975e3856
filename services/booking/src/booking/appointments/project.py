"""How do bookings, moves and cancellations become the list of a patient's appointments?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from portal_events.booking import AppointmentBooked, AppointmentCancelled, AppointmentMoved, Visit
from portal_events.sensitive import Sealed
from portal_events.topics import events_topic
from portal_eventstore.view import Bulk, Projection, Received, Rows

_Place: TypeAlias = tuple[Any, ...]
"""The columns from slot_id to zone."""

_BOOKED = """
insert into appointments (
    appointment_id, patient_id, event_id, slot_id, service_id, doctor_id, facility_id, mode, starts_at,
    minutes, zone, status, source, reason
)
select * from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::text[],
    $9::timestamptz[], $10::int[], $11::text[], $12::text[], $13::text[], $14::text[]
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


@dataclass(frozen=True, slots=True)
class _Booking:
    patient_id: UUID
    event_id: UUID
    place: _Place
    source: str
    reason: str | None

    def row(self, appointment_id: UUID, place: _Place, status: str) -> tuple[Any, ...]:
        """Return the row of the table."""
        return (appointment_id, self.patient_id, self.event_id, *place, status, self.source, self.reason)


@dataclass(frozen=True, slots=True)
class _Fold:
    """What events say of appointments: how each was booked, where it was moved last, which are off."""

    booked: dict[UUID, _Booking] = field(default_factory=dict)
    moved: dict[UUID, _Place] = field(default_factory=dict)
    cancelled: set[UUID] = field(default_factory=set)


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Add, then move, then cancel, each in one statement; what is sealed stays sealed.

    An appointment is booked before it is moved, and cancelled last: of many moves the last one counts.
    """
    fold = _fold(batch)
    if fold.booked:
        booked = (one.row(number, one.place, "booked") for number, one in fold.booked.items())
        await connection.execute(_BOOKED, *zip(*booked, strict=True))
    if fold.moved:
        moved = ((number, *place) for number, place in fold.moved.items())
        await connection.execute(_MOVED, *zip(*moved, strict=True))
    if fold.cancelled:
        await connection.execute(_CANCELLED, list(fold.cancelled))


def rows(history: Sequence[Received]) -> Rows:
    """Return the appointments of patients whose whole history this is."""
    fold = _fold(history)
    statuses = dict.fromkeys(fold.cancelled, "cancelled")
    return {
        "appointments": [
            one.row(number, fold.moved.get(number, one.place), statuses.get(number, "booked"))
            for number, one in fold.booked.items()
        ]
    }


def _fold(events: Sequence[Received]) -> _Fold:
    fold = _Fold()
    for received in events:
        match received.event:
            case AppointmentBooked(appointment_id=number) as event:
                reason = event.reason.token if isinstance(event.reason, Sealed) else None
                made = (event.patient_id, received.stored.id, _place(event), event.source.value, reason)
                fold.booked.setdefault(number, _Booking(*made))
            case AppointmentMoved(appointment_id=number, after=visit):
                fold.moved[number] = _place(visit)
            case AppointmentCancelled(appointment_id=number):
                fold.cancelled.add(number)
    return fold


def _place(visit: AppointmentBooked | Visit) -> _Place:
    return (
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
    bulk=Bulk(rows),
)
