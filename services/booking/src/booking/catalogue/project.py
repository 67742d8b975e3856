"""How do services, facilities and doctors get into the catalogue that people read?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from portal_events.booking import DoctorAdded, FacilityAdded, ServiceAdded
from portal_events.topics import events_topic
from portal_eventstore.project import Projection, Received

_SERVICES = """
insert into catalogue_service (service_id, name, name_en, price)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::int[])
on conflict (service_id) do nothing
"""

_FACILITIES = """
insert into catalogue_facility (facility_id, name, street, city, zone)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
on conflict (facility_id) do nothing
"""

# unnest would flatten an array of arrays: languages travel as one text.
_DOCTORS = """
insert into catalogue_doctor (doctor_id, name, pwz, languages)
select doctor_id, name, pwz, string_to_array(languages, ' ')
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as added (doctor_id, name, pwz, languages)
on conflict (doctor_id) do nothing
"""


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Add the batch's services, facilities and doctors, each kind in one statement."""
    rows: dict[str, list[tuple[Any, ...]]] = {_SERVICES: [], _FACILITIES: [], _DOCTORS: []}
    for received in batch:
        match received.event:
            case ServiceAdded() as service:
                rows[_SERVICES].append((service.service_id, service.name, service.name_en, service.price))
            case FacilityAdded() as place:
                rows[_FACILITIES].append(
                    (place.facility_id, place.name, place.street, place.city, place.zone)
                )
            case DoctorAdded() as doctor:
                languages = " ".join(doctor.languages)
                rows[_DOCTORS].append((doctor.doctor_id, doctor.name, doctor.pwz, languages))
    for statement, added in rows.items():
        if added:
            await connection.execute(statement, *zip(*added, strict=True))


CATALOGUE = Projection(
    view="catalogue",
    topics=(events_topic("booking"),),
    events=(ServiceAdded, FacilityAdded, DoctorAdded),
    table=Path(__file__).with_name("table.sql").read_text(encoding="utf-8"),
    apply=apply,
)
