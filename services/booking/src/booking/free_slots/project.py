"""How do doctors' days, bookings and holds become what the search reads?

An offer is written by its doctor's events, a busy time by its patient's: each row's events come in order.
Two things of an offer come from elsewhere: its address, and whether it is taken. Whichever of the two sides
arrives second works them out from the tables as they then are, so that every order of events ends the same. A
lock on the doctors concerned keeps the sides from passing each other unseen in transactions side by side.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from booking.free_slots.part_of_day import part_of_day
from booking.rules.time_overlap import LONGEST_MINUTES
from portal_events.base import Event
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
from portal_eventstore.view import Bulk, Projection, Received, Rows

_LOCKS = 64
"""Doctors share locks, so that a large batch does not need a large number of them."""

_NEVER = datetime.max  # noqa: DTZ901  a mark, no instant
"""What asyncpg writes as infinity."""

Busy = tuple[UUID, UUID, UUID, datetime, datetime, datetime]
"""A row of free_slots_busy."""

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
insert into free_slots_busy (id, doctor_id, patient_id, starts_at, ends_at, expires_at)
select * from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[]
)
on conflict (id) do update
set doctor_id = excluded.doctor_id, starts_at = excluded.starts_at, ends_at = excluded.ends_at
"""


# What rows() leaves open. Where the address came, both are set at once, so that a row is written once.
_SETTLE = f"""
update free_slots_offer o set city = p.city, street = p.street, taken = {_BOOKED}
from free_slots_place p where o.facility_id = p.facility_id;
update free_slots_offer o set taken = true where o.city is null and {_BOOKED}
"""  # noqa: S608  as above


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Write the batch's offers, and the busy times that are left of it in the end."""
    fold = _fold(batch)
    whose = {row[1] for row in fold.offers.values()} | {doctor_id for doctor_id, *_ in fold.changed}
    if locks := range(_LOCKS) if fold.places else sorted({doctor_id.int % _LOCKS for doctor_id in whose}):
        await connection.execute(_LOCK, locks)
    if fold.doctors:  # before their days, which come on the same partition
        await connection.execute(_DOCTORS, *zip(*fold.doctors.items(), strict=True))
    if fold.places:
        await connection.execute(_PLACES, *zip(*fold.places.values(), strict=True))
        await connection.execute(_ADDRESSES, list(fold.places))
    if free := [number for number, row in fold.busy.items() if row is None]:
        await connection.execute(_FREE, free)
    if taken := fold.taken():
        await connection.execute(_BUSY, *zip(*taken, strict=True))
    if fold.offers:
        await connection.execute(_OFFERS, *zip(*fold.offers.values(), strict=True))
    if fold.changed:
        await connection.execute(_TAKEN, *zip(*fold.changed, strict=True))


def rows(history: Sequence[Received]) -> Rows:
    """Return offers and busy times of doctors and patients whose whole history this is.

    Where the offers are and which are taken, others' events tell: `_SETTLE` writes it.
    """
    fold = _fold(history)
    return {
        "free_slots_doctor": list(fold.doctors.items()),
        "free_slots_place": list(fold.places.values()),
        "free_slots_offer": [
            (
                slot_id,
                doctor_id,
                fold.doctors.get(doctor_id),
                service_id,
                facility_id,
                None,
                None,
                *rest,
                False,
            )
            for slot_id, doctor_id, service_id, facility_id, *rest in fold.offers.values()
        ],
        "free_slots_busy": fold.taken(),
    }


@dataclass(slots=True)
class _Fold:
    """What is offered, where and by whom, what each appointment and hold takes in the end (None: nothing).

    `changed`: the times that appointments took or gave back.
    """

    doctors: dict[UUID, str] = field(default_factory=dict)
    places: dict[UUID, tuple[UUID, str, str]] = field(default_factory=dict)
    offers: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    busy: dict[UUID, Busy | None] = field(default_factory=dict)
    changed: set[Time] = field(default_factory=set)

    def taken(self) -> list[Busy]:
        """Return the rows of what takes a time."""
        return [row for row in self.busy.values() if row is not None]


def _fold(batch: Sequence[Received]) -> _Fold:
    fold = _Fold()
    for received in batch:
        match received.event:
            case DoctorAdded(doctor_id=doctor_id, name=name):
                fold.doctors.setdefault(doctor_id, name)
            case FacilityAdded(facility_id=facility_id) as place:
                fold.places.setdefault(facility_id, (facility_id, place.city, place.street))
            case DoctorDayOpened() as day:
                for offer in _offers(day):
                    fold.offers.setdefault(offer[0], offer)
            case event:
                _take(fold, event)
    return fold


def _take(fold: _Fold, event: Event) -> None:
    match event:
        case SlotHeld(hold_id=hold_id):
            fold.busy[hold_id] = _busy(hold_id, event.patient_id, event, event.expires_at)
        case HoldReleased(hold_id=hold_id):
            fold.busy[hold_id] = None
        case AppointmentBooked(appointment_id=number, hold_id=hold_id):
            fold.busy[number] = _busy(number, event.patient_id, event)
            fold.busy |= {} if hold_id is None else {hold_id: None}
            fold.changed.add(_time(event))
        case AppointmentMoved(appointment_id=number, hold_id=hold_id):
            fold.busy[number] = _busy(number, event.patient_id, event.after)
            fold.busy |= {} if hold_id is None else {hold_id: None}
            fold.changed |= {_time(event.before), _time(event.after)}
        case AppointmentCancelled(appointment_id=number):
            fold.busy[number] = None
            fold.changed.add(_time(event.visit))


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


def _busy(number: UUID, patient_id: UUID, visit: Any, expires_at: datetime = _NEVER) -> Busy:
    doctor_id, starts_at, ends_at = _time(visit)
    return (number, doctor_id, patient_id, starts_at, ends_at, expires_at)


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
    shared_rows=True,
    bulk=Bulk(rows, _SETTLE),
)
