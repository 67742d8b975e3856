"""Which level does a patient's account have, as a service sees it from identity's events?

Every service keeps this view of its own: the level is never asked of identity when something is decided.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from portal_events.identity import AccountCreated, IdentityConfirmed, Level
from portal_events.topics import events_topic
from portal_eventstore.view import Bulk, Projection, Received, Rows

_TABLE: Final = """
create table if not exists levels (
    patient_id uuid primary key,
    level text not null,
    -- The place in identity's log of the event that last changed it: where a reader of changes goes on.
    position bigint not null
) with (fillfactor = 80)
"""

_SET: Final = """
insert into levels (patient_id, level, position) select * from unnest($1::uuid[], $2::text[], $3::bigint[])
on conflict (patient_id) do update set (level, position) = (excluded.level, excluded.position)
"""


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Write the level that each patient of the batch has in the end, in one statement."""
    if levels := _fold(batch):
        await connection.execute(_SET, *zip(*levels, strict=True))


def rows(history: Sequence[Received]) -> Rows:
    """Return the levels of patients whose whole history this is."""
    return {"levels": _fold(history)}


def _fold(batch: Sequence[Received]) -> list[tuple[UUID, str, int]]:
    levels: dict[UUID, tuple[UUID, str, int]] = {}
    for received in batch:
        match received.event:
            case AccountCreated(patient_id=patient_id):
                levels[patient_id] = (patient_id, Level.BASIC.value, received.stored.position)
            case IdentityConfirmed(patient_id=patient_id):
                levels[patient_id] = (patient_id, Level.FULL.value, received.stored.position)
    return list(levels.values())


LEVELS: Final = Projection(
    view="levels",
    topics=(events_topic("identity"),),
    events=(AccountCreated, IdentityConfirmed),
    table=_TABLE,
    apply=apply,
    bulk=Bulk(rows),
)


async def level_of(views: Any, patient_id: UUID) -> Level:
    """Return the patient's level: basic, until identity's word of a higher one has arrived."""
    found: str | None = await views.fetchval("select level from levels where patient_id = $1", patient_id)
    return Level.BASIC if found is None else Level(found)
