"""How do doctors' days, bookings and holds become what the search reads?

An offer is written by its doctor's events, a busy time by its patient's: each row's events come in order.
Two things of an offer come from elsewhere: its address, and whether it is taken. Whichever of the two sides
arrives second works them out from the tables as they then are, so that every order of events ends the same. A
lock on the doctors concerned keeps the sides from passing each other unseen in transactions side by side.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from booking.free_slots.part_of_day import part_of_day
from booking.rules.time_overlap import LONGEST_MINUTES
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
from portal_eventstore.view import Projection, Received

_LOCKS = 64
"""Doctors share locks, so that a large batch does not need a large number of them."""

Busy = tuple[UUID, UUID, UUID, datetime, datetime, datetime | None]
"""A row of free_slots_busy; the last is None for what does not lapse."""

Time = tuple[UUID, datetime, datetime]
"""A doctor's time: from, and until."""

_LOCK = "select pg_advisory_xact_lock(hashtextextended('free_slots', 0) + n) from unnest($1::int[]) as n"

_BOOKED = f"""exists (
    select from free_slots_busy b
    where b.doctor_id = o.doctor_id and b.expires_at = 'infinity'
    and b.starts_at > o.starts_at - interval '{LONGEST_MINUTES} minutes'
    and b.starts_at < o.ends_at and b.ends_at > o.starts_at
)"""
_TAKEN = f"""
update free_slots_offer o set taken = not taken
from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) as changed (doctor_id, starts_at, ends_at)
where o.doctor_id = changed.doctor_id
and o.starts_at > changed.starts_at - interval '{LONGEST_MINUTES} minutes'
and o.starts_at < changed.ends_at and o.ends_at > changed.starts_at
and o.taken <> {_BOOKED}
"""  # noqa: S608  a number of our own
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
_OFFERS = f"""
insert into free_slots_offer (
    slot_id, doctor_id, doctor_name, service_id, facility_id, city, street,
    mode, part_of_day, starts_at, ends_at, zone, taken
)
select slot_id, doctor_id, d.name, service_id, facility_id, p.city, p.street,
    mode, part_of_day, starts_at, ends_at, zone, {_BOOKED}
from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[],
    $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[]
) as o (slot_id, doctor_id, service_id, facility_id, mode, part_of_day, starts_at, ends_at, zone)
left join free_slots_doctor d using (doctor_id)
left join free_slots_place p using (facility_id)
on conflict (slot_id) do nothing
"""  # noqa: S608  as above
_FREE = "delete from free_slots_busy where id = any ($1::uuid[])"
_BUSY = """
insert into free_slots_busy (id, patient_id, doctor_id, starts_at, ends_at, expires_at)
select id, patient_id, doctor_id, starts_at, ends_at, coalesce(expires_at, 'infinity')
from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[]
) as b (id, patient_id, doctor_id, starts_at, ends_at, expires_at)
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
    times = _fold(events)
    whose = {row[1] for row in offers} | {doctor_id for doctor_id, *_ in times.changed}
    if locks := range(_LOCKS) if places else sorted({doctor_id.int % _LOCKS for doctor_id in whose}):
        await connection.execute(_LOCK, locks)
    if doctors:  # before their days, which come on the same partition
        await connection.execute(_DOCTORS, *zip(*doctors, strict=True))
    if places:
        await connection.execute(_PLACES, *zip(*places, strict=True))
        await connection.execute(_ADDRESSES, [facility_id for facility_id, *_ in places])
    if free := [number for number, row in times.busy.items() if row is None]:
        await connection.execute(_FREE, free)
    if taken := [row for row in times.busy.values() if row is not None]:
        await connection.execute(_BUSY, *zip(*taken, strict=True))
    if offers:
        await connection.execute(_OFFERS, *zip(*offers, strict=True))
    if times.changed:
        await connection.execute(_TAKEN, *zip(*times.changed, strict=True))


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


@dataclass(slots=True)
class _Times:
    """What each appointment and hold takes in the end (None: nothing), and what appointments changed."""

    busy: dict[UUID, Busy | None] = field(default_factory=dict)
    changed: set[Time] = field(default_factory=set)


def _fold(events: Collection[Any]) -> _Times:
    times = _Times()
    for event in events:
        match event:
            case SlotHeld(hold_id=hold_id):
                times.busy[hold_id] = (hold_id, event.patient_id, *_time(event), event.expires_at)
            case HoldReleased(hold_id=hold_id):
                times.busy[hold_id] = None
            case AppointmentBooked(appointment_id=number, hold_id=hold_id):
                times.busy[number] = (number, event.patient_id, *_time(event), None)
                times.busy |= {} if hold_id is None else {hold_id: None}
                times.changed.add(_time(event))
            case AppointmentMoved(appointment_id=number, hold_id=hold_id):
                times.busy[number] = (number, event.patient_id, *_time(event.after), None)
                times.busy |= {} if hold_id is None else {hold_id: None}
                times.changed |= {_time(event.before), _time(event.after)}
            case AppointmentCancelled(appointment_id=number):
                times.busy[number] = None
                times.changed.add(_time(event.visit))
    return times


def _time(visit: Any) -> Time:
    return visit.doctor_id, visit.starts_at, visit.starts_at + timedelta(minutes=visit.minutes)


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
