"""How do booking's events reach Kafka, and its views follow the topics?"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from booking.appointments.project import APPOINTMENTS
from booking.catalogue.project import CATALOGUE
from booking.free_slots.project import FREE_SLOTS
from booking.settings import Settings
from portal_chassis.levels import LEVELS
from portal_chassis.operations.child import rebuilds
from portal_events.keys import FileKeyWrap
from portal_events.topics import PATIENT_KEYS
from portal_eventstore.guard.guard import StoreGuard
from portal_eventstore.keys.key_ring import KeyRing, keys_view
from portal_eventstore.project import Projector
from portal_eventstore.relay.publish import Relay
from portal_eventstore.view import Projection, View, view_of

PROJECTIONS: Final[tuple[Projection, ...]] = (CATALOGUE, FREE_SLOTS, APPOINTMENTS, LEVELS)
VIEWS: Final[tuple[View[Any], ...]] = (*map(view_of, PROJECTIONS), keys_view(PATIENT_KEYS))


@dataclass(frozen=True)
class BookingWorker:
    """What runs in the background."""

    guard: StoreGuard
    relay: Relay
    projector: Projector
    keys: KeyRing

    def problems(self) -> Sequence[str]:
        """Say what does not go on, and why."""
        return [
            *self.guard.problems(),
            *self.relay.problems(),
            *self.projector.problems(),
            *self.keys.problems(),
        ]

    @property
    def projectors(self) -> Sequence[Projector]:
        """Return what follows the views."""
        return (self.projector, self.keys.projector)


@asynccontextmanager
async def run_worker(settings: Settings) -> AsyncIterator[BookingWorker]:
    """Relay, project and collect patients' keys until the block ends."""
    servers = settings.kafka_bootstrap_servers
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            asyncpg.create_pool(
                settings.database_url,
                min_size=1,
                max_size=8,
                server_settings={"application_name": "booking worker"},
            )
        )
        guard = StoreGuard(settings.database_url, "booking", servers)
        worker = BookingWorker(
            guard=guard,
            relay=Relay(
                database_url=settings.database_url, owner="booking", bootstrap_servers=servers, guard=guard
            ),
            projector=Projector(
                service="booking",
                pool=pool,
                bootstrap_servers=servers,
                projections=PROJECTIONS,
                rebuilds=rebuilds("booking"),
            ),
            keys=KeyRing(
                pool,
                FileKeyWrap(settings.key_encryption_key_file),
                servers,
                "booking",
                rebuilds=rebuilds("booking"),
            ),
        )
        for part in (worker.guard, worker.relay, worker.projector, worker.keys):
            stack.push_async_callback(part.stop)
            await part.start()
        yield worker
