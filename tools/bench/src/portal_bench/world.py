"""What do the benchmarks write and read? A million events about 100,000 visits, of about 480 bytes each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid4

import asyncpg

from portal_events.base import Event
from portal_eventstore.command import Context
from portal_eventstore.decision import Criterion, Decision, about
from portal_eventstore.postgres import MIGRATIONS, PostgresStore

OWNER = "bench"
TYPE = "VisitNoted"
EVENTS = 1_000_000
VISITS = EVENTS // 10
PATIENTS = EVENTS // 20

NOTE = "0123456789abcdef" * 8


class VisitNoted(Event):
    """Something was noted about a visit."""

    OWNER: ClassVar[str] = OWNER
    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("visit_id", "patient_id")

    visit_id: UUID
    patient_id: UUID
    clinician_id: UUID
    clinician: str
    at: datetime
    note: str
    number: int


@dataclass(frozen=True)
class Note:
    """Note something about a visit."""

    visit_id: UUID
    patient_id: UUID


def visit_tag(visit_id: UUID) -> str:
    """Return the tag of one visit's events."""
    return f"visit:{visit_id}"


def numbered(number: int) -> UUID:
    """Return the id of a preloaded visit or patient, as the preload's SQL writes it."""
    return UUID(int=number)


def noted(command: Note, number: int) -> VisitNoted:
    """Return one event of the size that a real one has."""
    return VisitNoted(
        visit_id=command.visit_id,
        patient_id=command.patient_id,
        clinician_id=command.patient_id,
        clinician="Dr " + "a1b2c3d4" * 4,
        at=_NOW,
        note=NOTE,
        number=number,
    )


def context() -> Context:
    """Return the context of one command."""
    return Context(time=_NOW, actor="system:bench", correlation_id=uuid4())


def _boundary(command: Note) -> Sequence[Criterion]:
    return [about(visit_tag(command.visit_id), (VisitNoted,))]


def _evolve(count: int, _: Event) -> int:
    return count + 1


def _decide(command: Note, count: int) -> list[Event]:
    return [noted(command, count)]


NOTE_VISIT: Decision[Note, int] = Decision(_boundary, 0, _evolve, _decide)

_NOW = datetime(2026, 1, 1, tzinfo=UTC)

_EVENTS = """
insert into event (position, id, type, version, tags, data, time, metadata)
select nextval('event_position'), gen_random_uuid(), 'VisitNoted', 1,
    array['patient:' || patient, 'visit:' || visit],
    json_build_object('visitId', visit, 'patientId', patient, 'clinicianId', patient,
        'clinician', 'Dr ' || md5(i::text), 'at', '2026-01-01T00:00:00Z', 'note', repeat(md5(i::text), 4),
        'number', i)::text,
    now(), json_build_object('subject', patient, 'actor', 'system:bench', 'correlationId', patient,
        'appendId', patient, 'appendSize', 1)::text
from (
    select i, lpad(to_hex((i * 7919::bigint) % $1), 32, '0')::uuid as visit,
        lpad(to_hex((i * 104729::bigint) % $2), 32, '0')::uuid as patient
    from generate_series(1, $3::bigint) as i
) as made
"""


async def preload(database_url: str, events: int) -> None:
    """Make the store's tables and fill them, for the benchmark only, past the decisions."""
    connection = await asyncpg.connect(database_url)
    await connection.execute((MIGRATIONS / "0001_event_store.sql").read_text().split("-- migrate:down")[0])
    await connection.execute(_EVENTS, VISITS, PATIENTS, events, timeout=600)
    await connection.execute(
        "insert into event_tag select tag, position, type from event, unnest(tags) as tag order by 1, 2",
        timeout=600,
    )
    await connection.close()


async def open_store(database_url: str) -> PostgresStore:
    """Return the store under measurement."""
    return await PostgresStore.connect(database_url, OWNER)
