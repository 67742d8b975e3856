"""How do doctors' days, bookings and holds become what the search reads?

An offer is written by its doctor's events, a busy time by its patient's: each row's events come in order.
Only an offer's address comes from elsewhere: whichever of offer and facility arrives second fills it in, and
the lock keeps the two from passing each other unseen in transactions side by side.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from booking.free_slots.part_of_day import part_of_day
from portal_events.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMoved,
    DoctorAdded,
    DoctorDayOpened,
    FacilityAdded,
    HoldReleased,
    SlotHeld,
)
from portal_events.topics import events_topic
from portal_eventstore.project import Projection, Received

Busy = tuple[UUID, UUID, UUID, datetime, datetime, datetime | None]
"""A row of free_slots_busy; the last is None for what does not lapse."""

_LOCK_OFFERS = "select pg_advisory_xact_lock_shared(hashtextextended('free_slots addresses', 0))"
_LOCK_PLACES = "select pg_advisory_xact_lock(hashtextextended('free_slots addresses', 0))"

_DOCTORS = """
insert into free_slots_doctor (doctor_id, name) select * from unnest($1::uuid[], $2::text[])
on conflict (doctor_id) do nothing
"""
_PLACES = """
insert into free_slots_place (facility_id, city, street)
select * from unnest($1::uuid[], $2::text[], $3::text[])
on conflict (facility_id) do nothing
"""
_ADDRESSES = """
update free_slots_offer o set city = p.city, street = p.street from free_slots_place p
where o.city is null and o.facility_id = p.facility_id and p.facility_id = any ($1::uuid[])
"""
_OFFERS = """
insert into free_slots_offer (
    slot_id, doctor_id, doctor_name, service_id, facility_id, city, street,
    mode, part_of_day, starts_at, ends_at, zone
)
select slot_id, doctor_id, d.name, service_id, facility_id, p.city, p.street,
    mode, part_of_day, starts_at, ends_at, zone
from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[],
    $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[]
) as o (slot_id, doctor_id, service_id, facility_id, mode, part_of_day, starts_at, ends_at, zone)
left join free_slots_doctor d using (doctor_id)
left join free_slots_place p using (facility_id)
on conflict (slot_id) do nothing
"""
_FREE = "delete from free_slots_busy where id = any ($1::uuid[])"
_BUSY = """
insert into free_slots_busy (id, doctor_id, patient_id, starts_at, ends_at, expires_at)
select id, doctor_id, patient_id, starts_at, ends_at, coalesce(expires_at, 'infinity')
from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[]
) as b (id, doctor_id, patient_id, starts_at, ends_at, expires_at)
on conflict (id) do update
set doctor_id = excluded.doctor_id, starts_at = excluded.starts_at, ends_at = excluded.ends_at
"""


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Write the batch's offers, and the busy times that are left of it in the end."""
    events = [received.event for received in batch]
    doctors = [(event.doctor_id, event.name) for event in events if isinstance(event, DoctorAdded)]
    places = [
        (event.facility_id, event.city, event.street) for event in events if isinstance(event, FacilityAdded)
    ]
    offers = [row for event in events if isinstance(event, DoctorDayOpened) for row in _offers(event)]
    busy = _fold(events)
    if places:
        await connection.execute(_LOCK_PLACES)
        await connection.execute(_PLACES, *zip(*places, strict=True))
        await connection.execute(_ADDRESSES, [facility_id for facility_id, *_ in places])
    elif offers:
        await connection.execute(_LOCK_OFFERS)
    if doctors:  # before their days, which come on the same partition
        await connection.execute(_DOCTORS, *zip(*doctors, strict=True))
    if offers:
        await connection.execute(_OFFERS, *zip(*offers, strict=True))
    if free := [number for number, row in busy.items() if row is None]:
        await connection.execute(_FREE, free)
    if taken := [row for row in busy.values() if row is not None]:
        await connection.execute(_BUSY, *zip(*taken, strict=True))


def _offers(day: DoctorDayOpened) -> Iterator[tuple[Any, ...]]:
    zone = ZoneInfo(day.zone)
    for slot in day.slots:
        yield (
            slot.slot_id,
            day.doctor_id,
            slot.service_id,
            slot.facility_id,
            slot.mode.value,
            part_of_day(slot.starts_at, zone).value,
            slot.starts_at,
            slot.starts_at + timedelta(minutes=slot.minutes),
            day.zone,
        )


def _fold(events: Sequence[Any]) -> dict[UUID, Busy | None]:
    """Return what each appointment and hold of the batch takes in the end: None for nothing any more."""
    busy: dict[UUID, Busy | None] = {}
    for event in events:
        match event:
            case SlotHeld():
                busy[event.hold_id] = _busy(event.hold_id, event.patient_id, event, event.expires_at)
            case HoldReleased():
                busy[event.hold_id] = None
            case AppointmentBooked():
                busy[event.appointment_id] = _busy(event.appointment_id, event.patient_id, event)
            case AppointmentMoved():
                busy[event.appointment_id] = _busy(event.appointment_id, event.patient_id, event.after)
            case AppointmentCancelled():
                busy[event.appointment_id] = None
        match event:
            case AppointmentBooked(hold_id=UUID() as hold_id) | AppointmentMoved(hold_id=UUID() as hold_id):
                busy[hold_id] = None
    return busy


def _busy(number: UUID, patient_id: UUID, time: Any, expires_at: datetime | None = None) -> Busy:
    ends_at = time.starts_at + timedelta(minutes=time.minutes)
    return (number, time.doctor_id, patient_id, time.starts_at, ends_at, expires_at)


FREE_SLOTS = Projection(
    view="free_slots",
    topics=(events_topic("booking"),),
    events=(
        DoctorAdded,
        FacilityAdded,
        DoctorDayOpened,
        SlotHeld,
        HoldReleased,
        AppointmentBooked,
        AppointmentMoved,
        AppointmentCancelled,
    ),
    table=Path(__file__).with_name("table.sql").read_text(encoding="utf-8"),
    apply=apply,
)
