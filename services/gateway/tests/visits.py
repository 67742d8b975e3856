"""Which facts does a timeline under test hear of?"""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from gateway.__main__ import SERVICE
from gateway.database import connected
from gateway.directory.project import DIRECTORY
from gateway.timeline.project import TIMELINE, TOLD_LEVELS
from portal_chassis.migrate import migrate
from portal_events.base import Event
from portal_events.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMoved,
    DoctorAdded,
    FacilityAdded,
    Mode,
    ServiceAdded,
    ServiceKind,
    Source,
    Visit,
)
from portal_events.identity import AccountCreated, ConfirmationMethod, IdentityConfirmed, Level
from portal_events.sensitive import Plain
from portal_events.stored import Metadata, StoredEvent
from portal_events.topics import PARTITIONS, events_topic, partition_for
from portal_eventstore.view import Received

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOPIC, IDENTITY = events_topic("booking"), events_topic("identity")
SERVICE_ID, DOCTOR_ID, FACILITY_ID = uuid4(), uuid4(), uuid4()
VIEWS = (DIRECTORY, TOLD_LEVELS, TIMELINE)

_MOVE = """
insert into projection_position values ($1, $2, $3, $4, $4)
on conflict (view, topic, partition) do update
set last_position = greatest(projection_position.last_position, excluded.last_position)
"""
_ROWS = """
select to_jsonb(t)::text as row from timeline t union all
select to_jsonb(l)::text from levels l union all
select to_jsonb(d)::text from directory d order by 1
"""

_positions = itertools.count(1)


def stored(event: Event, position: int | None = None) -> StoredEvent:
    return StoredEvent(
        owner=event.OWNER,
        position=next(_positions) if position is None else position,
        id=uuid4(),
        type=type(event).__name__,
        version=event.VERSION,
        tags=tuple(sorted(event.tags())),
        data=event.model_dump_json(by_alias=True),
        time=NOON,
        metadata=Metadata(event.subject, "system:test", uuid4(), uuid4(), 1),
    )


def received(event: Event) -> Received:
    kept = stored(event)
    partition = partition_for(str(event.subject).encode(), PARTITIONS)
    return Received(events_topic(event.OWNER), partition, kept.position, kept, event)


def visit(starts_at: datetime = NOON, **changed: Any) -> Visit:
    return Visit.model_validate(
        {
            "slot_id": uuid4(),
            "doctor_id": DOCTOR_ID,
            "service_id": SERVICE_ID,
            "facility_id": FACILITY_ID,
            "mode": Mode.IN_PERSON,
            "starts_at": starts_at,
            "minutes": 20,
            "zone": "Europe/Warsaw",
        }
        | changed
    )


def booked(patient_id: UUID, starts_at: datetime = NOON, **changed: Any) -> AppointmentBooked:
    return AppointmentBooked.model_validate(
        {
            **visit(starts_at).model_dump(),
            "appointment_id": uuid4(),
            "patient_id": patient_id,
            "source": Source.PORTAL,
        }
        | changed
    )


def moved(
    before: AppointmentBooked | AppointmentMoved, starts_at: datetime, **changed: Any
) -> AppointmentMoved:
    return AppointmentMoved(
        appointment_id=before.appointment_id,
        patient_id=before.patient_id,
        before=taken_by(before),
        after=visit(starts_at, **changed),
        source=Source.PORTAL,
    )


def cancelled(before: AppointmentBooked | AppointmentMoved) -> AppointmentCancelled:
    return AppointmentCancelled(
        appointment_id=before.appointment_id,
        patient_id=before.patient_id,
        visit=taken_by(before),
        source=Source.PORTAL,
    )


def taken_by(event: AppointmentBooked | AppointmentMoved) -> Visit:
    if isinstance(event, AppointmentMoved):
        return event.after
    return Visit.model_validate(event.model_dump(include=set(Visit.model_fields)))


def signed_up(patient_id: UUID) -> Event:
    event = AccountCreated(
        account_id=uuid4(),
        patient_id=patient_id,
        email=Plain("anna@example.com"),
        email_tag="v1:0",
        phone=Plain("+48600000000"),
        language="pl",
        consents=(),
    )
    return event.sealed(event_id=uuid4(), key=bytes(32))


def confirmed(patient_id: UUID) -> IdentityConfirmed:
    return IdentityConfirmed(account_id=uuid4(), patient_id=patient_id, method=ConfirmationMethod.BANK)


def service(**changed: Any) -> ServiceAdded:
    return ServiceAdded.model_validate(
        {
            "service_id": SERVICE_ID,
            "name": "Stomatolog",
            "name_en": "Dentist",
            "kind": ServiceKind.DENTISTRY,
            "modes": tuple(Mode),
            "levels": tuple(Level),
            "referral_required": False,
            "price": 20000,
            "covered": False,
            "preparation": "",
            "preparation_en": "",
        }
        | changed
    )


def facility(**changed: Any) -> FacilityAdded:
    return FacilityAdded.model_validate(
        {
            "facility_id": FACILITY_ID,
            "name": "Zdrovia Mokotów",
            "street": "Puławska 1",
            "postal_code": "02-515",
            "city": "Warszawa",
            "zone": "Europe/Warsaw",
            "phone": "+48221000000",
            "partner": False,
        }
        | changed
    )


DOCTOR = DoctorAdded(doctor_id=DOCTOR_ID, name="Maria Kowalska", pwz="5425740", languages=("pl",))
NETWORK = [received(service()), received(facility()), received(DOCTOR)]


async def make_tables(database_url: str) -> None:
    await migrate(database_url, *SERVICE.migrations)
    async with connected(database_url, "test") as pool:
        for view in VIEWS:
            await pool.execute(view.table)


@asynccontextmanager
async def opened_world(portal: Any, database_url: str) -> AsyncIterator["World"]:
    """Put the views of this database under the portal."""
    async with connected(database_url, "test") as pool:
        portal.app.state.pool = pool
        yield World(portal, pool)


@dataclass(frozen=True)
class World:
    """The gateway's views in a database, and a gateway over them."""

    portal: Any
    pool: Any

    async def apply(self, *events: Event | Received) -> None:
        """Apply a batch as the worker does: every view in a transaction of its own, with its place."""
        batch = [one if isinstance(one, Received) else received(one) for one in events]
        for view in VIEWS:
            handled = [one for one in batch if isinstance(one.event, view.events)]
            if handled:
                async with self.pool.acquire() as connection, connection.transaction():
                    await view.apply(connection, handled)
                    await self._move(connection, view.view, handled)

    async def rows(self) -> list[str]:
        """Return every row of every view, as text."""
        rows = await self.pool.fetch(_ROWS)
        return [row["row"] for row in rows]

    async def get(self, query: str = "", **headers: str) -> Any:
        return await self.portal.browser.get(f"/api/timeline{query}", headers=headers)

    async def page(self, query: str = "") -> Any:
        response = await self.get(query)
        assert response.status_code == 200, response.text
        return response.json()

    async def ids(self, query: str = "") -> list[str]:
        return [item["appointmentId"] for item in (await self.page(query))["items"]]

    async def _move(self, connection: Any, view: str, batch: Sequence[Received]) -> None:
        places = [(view, one.topic, one.partition, one.stored.position) for one in batch]
        await connection.executemany(_MOVE, places)
