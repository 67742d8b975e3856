"""How do services, facilities and doctors get into the catalogue that people read?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from portal_events.booking import DoctorAdded, DoctorDayOpened, FacilityAdded, ServiceAdded
from portal_events.topics import events_topic
from portal_eventstore.view import Bulk, Projection, Received, Rows

# unnest would flatten an array of arrays: modes, levels and languages each travel as one text.
_SERVICES = """
insert into catalogue_service (
    service_id, name, name_en, kind, modes, levels,
    referral_required, price, covered, preparation, preparation_en
)
select service_id, name, name_en, kind, string_to_array(modes, ' '), string_to_array(levels, ' '),
    referral_required, price, covered, preparation, preparation_en
from unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::boolean[], $8::int[], $9::boolean[], $10::text[], $11::text[]
) as added (
    service_id, name, name_en, kind, modes, levels,
    referral_required, price, covered, preparation, preparation_en
)
on conflict (service_id) do nothing
"""

_FACILITIES = """
insert into catalogue_facility (facility_id, name, street, postal_code, city, zone, phone, partner)
select * from unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[]
)
on conflict (facility_id) do nothing
"""

_DOCTORS = """
insert into catalogue_doctor (doctor_id, name, pwz, languages)
select doctor_id, name, pwz, string_to_array(languages, ' ')
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as added (doctor_id, name, pwz, languages)
on conflict (doctor_id) do nothing
"""

_PRACTICES = """
insert into catalogue_practice (doctor_id, service_id, facility_id)
select * from unnest($1::uuid[], $2::uuid[], $3::uuid[])
on conflict do nothing
"""


_STATEMENTS = {
    "catalogue_service": _SERVICES,
    "catalogue_facility": _FACILITIES,
    "catalogue_doctor": _DOCTORS,
    "catalogue_practice": _PRACTICES,
}


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Add what the batch says of the network, each kind in one statement."""
    for table, added in rows(batch).items():
        if added:
            plain = ((" ".join(v) if isinstance(v, tuple) else v for v in row) for row in added)
            await connection.execute(_STATEMENTS[table], *zip(*plain, strict=True))


def rows(history: Sequence[Received]) -> Rows:
    """Return the rows that events add; of an entity the first word counts."""
    services: dict[UUID, tuple[Any, ...]] = {}
    facilities: dict[UUID, tuple[Any, ...]] = {}
    doctors: dict[UUID, tuple[Any, ...]] = {}
    practices: dict[tuple[Any, ...], None] = {}
    for received in history:
        match received.event:
            case ServiceAdded() as service:
                services.setdefault(service.service_id, _service(service))
            case FacilityAdded() as place:
                facilities.setdefault(place.facility_id, _facility(place))
            case DoctorAdded() as doctor:
                row = (doctor.doctor_id, doctor.name, doctor.pwz, doctor.languages)
                doctors.setdefault(doctor.doctor_id, row)
            case DoctorDayOpened(doctor_id=doctor_id, slots=slots):
                practices |= {(doctor_id, slot.service_id, slot.facility_id): None for slot in slots}
    added = (services.values(), facilities.values(), doctors.values(), practices)
    return {table: list(of_one) for table, of_one in zip(_STATEMENTS, added, strict=True)}


def _service(service: ServiceAdded) -> tuple[Any, ...]:
    return (
        service.service_id,
        service.name,
        service.name_en,
        service.kind.value,
        tuple(mode.value for mode in service.modes),
        tuple(level.value for level in service.levels),
        service.referral_required,
        service.price,
        service.covered,
        service.preparation,
        service.preparation_en,
    )


def _facility(place: FacilityAdded) -> tuple[Any, ...]:
    return (
        place.facility_id,
        place.name,
        place.street,
        place.postal_code,
        place.city,
        place.zone,
        place.phone,
        place.partner,
    )


CATALOGUE = Projection(
    view="catalogue",
    topics=(events_topic("booking"),),
    events=(ServiceAdded, FacilityAdded, DoctorAdded, DoctorDayOpened),
    table=Path(__file__).with_name("table.sql").read_text(encoding="utf-8"),
    apply=apply,
    bulk=Bulk(rows),
)
