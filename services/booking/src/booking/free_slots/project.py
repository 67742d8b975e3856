"""How do a doctor's days and the bookings become what the search reads?"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from portal_events.booking import AppointmentBooked, DoctorDayOpened
from portal_events.topics import events_topic
from portal_eventstore.project import Projection, Received

_OFFERS = """
insert into free_slots_offer (slot_id, doctor_id, service_id, facility_id, mode, starts_at, ends_at, zone)
select * from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[],
    $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[]
)
on conflict (slot_id) do nothing
"""

_BUSY = """
insert into free_slots_busy (appointment_id, doctor_id, starts_at, ends_at)
select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[])
on conflict (appointment_id) do nothing
"""


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Add the batch's offers and busy times, each in one statement."""
    offers: list[tuple[Any, ...]] = []
    busy: list[tuple[Any, ...]] = []
    for received in batch:
        match received.event:
            case DoctorDayOpened(doctor_id=doctor_id, zone=zone, slots=slots):
                offers += (
                    (
                        slot.slot_id,
                        doctor_id,
                        slot.service_id,
                        slot.facility_id,
                        slot.mode.value,
                        slot.starts_at,
                        slot.starts_at + timedelta(minutes=slot.minutes),
                        zone,
                    )
                    for slot in slots
                )
            case AppointmentBooked() as booked:
                ends_at = booked.starts_at + timedelta(minutes=booked.minutes)
                busy.append((booked.appointment_id, booked.doctor_id, booked.starts_at, ends_at))
    if offers:
        await connection.execute(_OFFERS, *zip(*offers, strict=True))
    if busy:
        await connection.execute(_BUSY, *zip(*busy, strict=True))


FREE_SLOTS = Projection(
    view="free_slots",
    topics=(events_topic("booking"),),
    events=(DoctorDayOpened, AppointmentBooked),
    table=Path(__file__).with_name("table.sql").read_text(encoding="utf-8"),
    apply=apply,
)
