"""What are the services, facilities and doctors called?

Every row is one entity's, whose events come in order from one partition.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from portal_events.booking import DoctorAdded, FacilityAdded, ServiceAdded
from portal_events.topics import events_topic
from portal_eventstore.project import Projection, Received

_UPSERT: Final = """
insert into directory (id, name, street, city)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
on conflict (id) do update set name = excluded.name, street = excluded.street, city = excluded.city
"""


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Write the entities of a batch, in one statement."""
    # Of an entity that is named twice in a batch the last counts: one statement may write a row only once.
    rows: dict[UUID, tuple[object, ...]] = {}
    for received in batch:
        match received.event:
            case ServiceAdded() as service:
                rows[service.service_id] = (service.service_id, service.name, None, None)
            case FacilityAdded() as facility:
                rows[facility.facility_id] = (
                    facility.facility_id,
                    facility.name,
                    facility.street,
                    facility.city,
                )
            case DoctorAdded() as doctor:
                rows[doctor.doctor_id] = (doctor.doctor_id, doctor.name, None, None)
    if rows:
        await connection.execute(_UPSERT, *map(list, zip(*rows.values(), strict=True)))


DIRECTORY: Final = Projection(
    view="directory",
    topics=(events_topic("booking"),),
    events=(ServiceAdded, FacilityAdded, DoctorAdded),
    table=Path(__file__).with_name("table.sql").read_text(encoding="utf-8"),
    apply=apply,
)
