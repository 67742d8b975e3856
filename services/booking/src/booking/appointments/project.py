"""How do bookings become the list of a patient's appointments?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from portal_events.booking import AppointmentBooked
from portal_events.sensitive import Sealed
from portal_events.topics import events_topic
from portal_eventstore.project import Projection, Received

_BOOKED = """
insert into appointments (
    appointment_id, patient_id, event_id, slot_id, service_id, doctor_id, facility_id,
    mode, starts_at, minutes, zone, status, reason
)
select appointment_id, patient_id, event_id, slot_id, service_id, doctor_id, facility_id,
    mode, starts_at, minutes, zone, 'booked', reason
from unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[],
    $8::text[], $9::timestamptz[], $10::int[], $11::text[], $12::text[]
) as booked (
    appointment_id, patient_id, event_id, slot_id, service_id, doctor_id, facility_id,
    mode, starts_at, minutes, zone, reason
)
on conflict (appointment_id) do nothing
"""


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Add the batch's appointments in one statement; what is sealed stays sealed."""
    booked = [
        (
            event.appointment_id,
            event.patient_id,
            received.stored.id,
            event.slot_id,
            event.service_id,
            event.doctor_id,
            event.facility_id,
            event.mode.value,
            event.starts_at,
            event.minutes,
            event.zone,
            event.reason.token if isinstance(event.reason, Sealed) else None,
        )
        for received in batch
        if isinstance(event := received.event, AppointmentBooked)
    ]
    if booked:
        await connection.execute(_BOOKED, *zip(*booked, strict=True))


APPOINTMENTS = Projection(
    view="appointments",
    topics=(events_topic("booking"),),
    events=(AppointmentBooked,),
    table=Path(__file__).with_name("table.sql").read_text(encoding="utf-8"),
    apply=apply,
)
