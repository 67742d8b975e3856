"""Which facts does a timeline under test hear of?"""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from gateway.__main__ import SERVICE
from gateway.database import connected
from gateway.directory.project import DIRECTORY
from gateway.timeline.project import TIMELINE, TOLD_LEVELS
from portal_chassis.migrate import migrate
from portal_events.base import Event
from portal_events.booking import DoctorAdded, FacilityAdded
from portal_events.stored import Metadata, StoredEvent
from portal_events.testing import DOCTOR, OCHOTA, service
from portal_events.topics import PARTITIONS, events_topic, partition_for
from portal_eventstore.view import Received

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOPIC, IDENTITY = events_topic("booking"), events_topic("identity")
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
    id_ = uuid4()
    event = event.sealed(event_id=id_, key=bytes(32))
    return StoredEvent(
        owner=event.OWNER,
        position=next(_positions) if position is None else position,
        id=id_,
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
    return Received(events_topic(event.OWNER), partition, kept.position, kept, kept.decode())


def facility(**changed: Any) -> FacilityAdded:
    return FacilityAdded.model_validate(
        {
            "facility_id": OCHOTA,
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


KOWALSKA = DoctorAdded(doctor_id=DOCTOR, name="Maria Kowalska", pwz="5425740", languages=("pl",))
NETWORK = [received(service()), received(facility()), received(KOWALSKA)]


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
