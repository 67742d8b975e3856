"""How do booking's events become a patient's timeline, and who is told?

Every row is one patient's, and a patient's events come in order from one partition: the order of partitions
does not matter. An item's id is the id of the event that made it, so that a rebuild gives the same rows. The
transaction that changes a patient's rows, or the patient's level, notifies `CHANGED` with the patient's id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from gateway.timeline.kind import KIND_OF_MODE
from portal_chassis.levels import LEVELS
from portal_events.booking import AppointmentBooked, AppointmentCancelled, AppointmentMoved, Source, Visit
from portal_events.topics import events_topic
from portal_eventstore.view import Bulk, Projection, Received, Rows

CHANGED: Final = "timeline"
"""The channel; a payload is ids of patients, separated by spaces."""

# PostgreSQL takes payloads of less than 8,000 bytes, and an id has 36.
_IDS_OF_A_PAYLOAD: Final = 200

# What was booked in the batch has an id and is added; the rest stands there already, at the time `was`. An
# event that is replayed from the parked ones may be in the rows already.
_WRITE: Final = """
with change as materialized (
    select * from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::integer[], $6::text[],
        $7::uuid[], $8::uuid[], $9::uuid[], $10::uuid[], $11::text[], $12::boolean[], $13::bigint[],
        $14::timestamptz[])
    as c (patient_id, starts_at, id, kind, minutes, zone, service_id, doctor_id, facility_id,
        appointment_id, source, cancelled, position, was)
), added as (
    insert into timeline (patient_id, starts_at, id, kind, minutes, zone, service_id, doctor_id, facility_id,
        appointment_id, source, cancelled, position)
    select patient_id, starts_at, id, kind, minutes, zone, service_id, doctor_id, facility_id,
        appointment_id, source, cancelled, position
    from change where id is not null
    on conflict do nothing
), changed as (
    update timeline t set (starts_at, kind, minutes, zone, service_id, doctor_id, facility_id, cancelled,
        position) = (c.starts_at, c.kind, c.minutes, c.zone, c.service_id, c.doctor_id, c.facility_id,
        c.cancelled, c.position)
    from change c
    where c.id is null and t.patient_id = c.patient_id and t.starts_at = c.was
        and t.appointment_id = c.appointment_id and t.position < c.position
)
select pg_notify($15, told) from unnest($16::text[]) as told
"""
_TELL: Final = "select pg_notify($1, told) from unnest($2::text[]) as told"


_Id: TypeAlias = UUID | str


class _Change(NamedTuple):
    """What events make of one appointment: `booked` among them, or standing in a row at the time `was`."""

    patient_id: _Id
    booked: tuple[UUID, Source] | None
    was: datetime | None
    visit: AppointmentBooked | Visit
    cancelled: bool
    position: int

    def row(self, appointment_id: _Id) -> tuple[object, ...]:
        """Return the appointment's row, in the order of the table; without id and source where it stands."""
        event_id, source = self.booked or (None, None)
        visit = self.visit
        return (
            self.patient_id,
            visit.starts_at,
            event_id,
            KIND_OF_MODE[visit.mode],
            visit.minutes,
            visit.zone,
            visit.service_id,
            visit.doctor_id,
            visit.facility_id,
            appointment_id,
            source,
            self.cancelled,
            self.position,
        )


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """Write what a batch makes of each appointment, and tell the patients' streams, in one statement."""
    if changes := _fold(batch):
        rows = [(*change.row(appointment_id), change.was) for appointment_id, change in changes.items()]
        told = payloads(change.patient_id for change in changes.values())
        await connection.execute(_WRITE, *map(list, zip(*rows, strict=True)), CHANGED, told)


def rows(history: Sequence[Received]) -> Rows:
    """Return the items of patients whose whole history this is."""
    changes = _fold(history).items()
    return {"timeline": [change.row(appointment_id) for appointment_id, change in changes if change.booked]}


def _fold(batch: Sequence[Received]) -> dict[_Id, _Change]:
    changes: dict[_Id, _Change] = {}
    for _, _, _, stored, fields in batch:
        event: Any = fields
        position = stored.position
        match stored.type:
            case AppointmentBooked.__name__:
                new = _Change(event.patient_id, (stored.id, event.source), None, event, False, position)
                changes.setdefault(event.appointment_id, new)
            case AppointmentMoved.__name__:
                before = changes.get(event.appointment_id) or _standing(event.patient_id, event.before)
                changes[event.appointment_id] = before._replace(visit=event.after, position=position)
            case AppointmentCancelled.__name__:
                before = changes.get(event.appointment_id) or _standing(event.patient_id, event.visit)
                changes[event.appointment_id] = before._replace(cancelled=True, position=position)
    return changes


async def apply_levels(connection: Any, batch: Sequence[Received]) -> None:
    """Write the levels of a batch, and tell the patients' streams."""
    await LEVELS.apply(connection, batch)
    if batch:
        await connection.execute(_TELL, CHANGED, payloads(received.event.subject for received in batch))


def payloads(patients: Iterable[_Id]) -> list[str]:
    """Return notifications that name each patient once, as few as PostgreSQL allows."""
    ids = [str(patient_id) for patient_id in dict.fromkeys(patients)]
    return [" ".join(ids[n : n + _IDS_OF_A_PAYLOAD]) for n in range(0, len(ids), _IDS_OF_A_PAYLOAD)]


def _standing(patient_id: _Id, visit: Visit) -> _Change:
    return _Change(patient_id, None, visit.starts_at, visit, cancelled=False, position=0)


TIMELINE: Final = Projection(
    view="timeline",
    topics=(events_topic("booking"),),
    events=(AppointmentBooked, AppointmentMoved, AppointmentCancelled),
    table=Path(__file__).with_name("table.sql").read_text(encoding="utf-8"),
    apply=apply,
    bulk=Bulk(rows),
    only_fields=True,
)
TOLD_LEVELS: Final = replace(LEVELS, apply=apply_levels)
"""The view `levels`, whose changes the streams are told of."""
