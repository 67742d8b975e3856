"""What are the services, facilities and doctors called?

Every row is one entity's, whose events come in order from one partition.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from portal_events.base import Event
from portal_events.booking import DoctorAdded, FacilityAdded, ServiceAdded
from portal_events.topics import events_topic
from portal_eventstore.view import Bulk, Projection, Received, Rows

_UPSERT: Final = """
insert into directory (id, name, name_en, street, postal_code, city, phone)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
on conflict (id) do update set (name, name_en, street, postal_code, city, phone) =
    (excluded.name, excluded.name_en, excluded.street, excluded.postal_code, excluded.city, excluded.phone)
"""


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Write the entities of a batch, in one statement."""
    if last := _last(batch):
        await connection.execute(_UPSERT, *map(list, zip(*last, strict=True)))


def rows(history: Sequence[Received]) -> Rows:
    """Return the rows of entities whose whole history this is."""
    return {"directory": _last(history)}


def _last(batch: Sequence[Received]) -> list[tuple[object, ...]]:
    # Of an entity that is named twice the last counts: one statement may write a row only once.
    return list({received.event.subject: _row(received.event) for received in batch}.values())


def _row(event: Event) -> tuple[object, ...]:
    match event:
        case ServiceAdded():
            return (event.service_id, event.name, event.name_en, None, None, None, None)
        case FacilityAdded():
            place = (event.street, event.postal_code, event.city, event.phone)
            return (event.facility_id, event.name, None, *place)
        case DoctorAdded():
            return (event.doctor_id, event.name, None, None, None, None, None)
        case _:
            raise TypeError(type(event).__name__)


DIRECTORY: Final = Projection(
    view="directory",
    topics=(events_topic("booking"),),
    events=(ServiceAdded, FacilityAdded, DoctorAdded),
    table=Path(__file__).with_name("table.sql").read_text(encoding="utf-8"),
    apply=apply,
    bulk=Bulk(rows),
)
