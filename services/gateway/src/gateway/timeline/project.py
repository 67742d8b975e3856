"""How do booking's events become a patient's timeline?

Every row is one patient's, and a patient's events come in order from one partition: the order of partitions
does not matter. An item's id is the id of the event that made it, so that a rebuild gives the same rows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from gateway.timeline.kind import KIND_OF_MODE
from portal_events.booking import AppointmentBooked
from portal_events.topics import events_topic
from portal_eventstore.project import Projection, Received

# An event that is replayed from the parked ones may be here already.
_INSERT: Final = """
insert into timeline (patient_id, starts_at, id, kind, minutes, zone, service_id, doctor_id, facility_id,
    appointment_id)
select * from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::integer[], $6::text[],
    $7::uuid[], $8::uuid[], $9::uuid[], $10::uuid[])
on conflict do nothing
"""


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Add the items of a batch, in one statement."""
    rows = [_row(r, r.event) for r in batch if isinstance(r.event, AppointmentBooked)]
    if rows:
        await connection.execute(_INSERT, *map(list, zip(*rows, strict=True)))


def _row(received: Received, booked: AppointmentBooked) -> tuple[object, ...]:
    return (
        booked.patient_id,
        booked.starts_at,
        received.stored.id,
        KIND_OF_MODE[booked.mode],
        booked.minutes,
        booked.zone,
        booked.service_id,
        booked.doctor_id,
        booked.facility_id,
        booked.appointment_id,
    )


TIMELINE: Final = Projection(
    view="timeline",
    topics=(events_topic("booking"),),
    events=(AppointmentBooked,),
    table=Path(__file__).with_name("table.sql").read_text(encoding="utf-8"),
    apply=apply,
)
