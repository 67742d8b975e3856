"""How are booking's rooms wired to HTTP?"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import asyncpg
from fastapi import FastAPI

from booking.appointments import endpoint as appointments
from booking.appointments.find import find_desk_phone
from booking.book_appointment import endpoint as book_appointment
from booking.cancel_appointment import endpoint as cancel_appointment
from booking.catalogue import endpoint as catalogue
from booking.first_tables import FirstTables
from booking.free_slots import endpoint as free_slots
from booking.free_slots.find import find_slot
from booking.hold_slot import endpoint as hold_slot
from booking.move_appointment import endpoint as move_appointment
from booking.release_hold import endpoint as release_hold
from booking.settings import Settings
from booking.worker import VIEWS
from portal_chassis.access import TokenVerifier
from portal_chassis.app import Lifespan, add_ready_check, create_app
from portal_chassis.clock import Clock, utc_now
from portal_chassis.freshness import told
from portal_chassis.idempotency import RequestKeys
from portal_chassis.levels import level_of
from portal_chassis.positions import Positions
from portal_events.keys import FileKeyWrap
from portal_eventstore.execute import Decider
from portal_eventstore.freshness import Freshness
from portal_eventstore.guard.guard import StoreGuard
from portal_eventstore.keys.key_ring import KeyRing
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.project import reached

_SEEN_WITHIN_SECONDS: Final = 2.0
READING: Final[dict[str, str]] = {
    "application_name": "booking app",
    "statement_timeout": "10s",
    "jit": "off",
    # Each query's text says what is asked for, so one plan fits; planning anew costs more than a search.
    "plan_cache_mode": "force_generic_plan",
    # A page is read in the order of an index. To read all that fits and sort it looks good wherever the
    # planner takes too little to fit.
    "enable_sort": "off",
    "random_page_cost": "1.1",  # what is searched lies in memory
}
"""The settings of connections that read views."""

# The busiest first: FastAPI tries one after the other.
_ROOMS: Final = (
    free_slots,
    hold_slot,
    book_appointment,
    catalogue,
    release_hold,
    appointments,
    cancel_appointment,
    move_appointment,
)
_TOPICS: Final = {view.name: view.topics for view in VIEWS}


def build_app(*, lifespan: Lifespan | None = None, clock: Clock = utc_now) -> FastAPI:
    """Make the app with all its rooms; `lifespan` or a test fills `app.state` (ports.py)."""
    app = create_app("booking", lifespan=lifespan, clock=clock)
    for room in _ROOMS:
        app.include_router(room.router)
    return app


def serve(settings: Settings) -> FastAPI:
    """Make the app of a process, on PostgreSQL."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        wrap = FileKeyWrap(settings.key_encryption_key_file)
        app.state.token_verifier = TokenVerifier(settings.gateway_public_key_file, "booking")
        app.state.request_keys = RequestKeys(settings.request_key_file)
        guard = StoreGuard(settings.database_url, "booking", settings.kafka_bootstrap_servers)
        await guard.start()
        store = await PostgresStore.connect(settings.database_url, "booking", guard)
        decider = Decider(store)
        async with asyncpg.create_pool(
            settings.database_url,
            min_size=0,  # connects when first used: a start waits for no database
            max_size=8,
            reset=_as_it_is,
            server_settings=READING,
        ) as views:
            tables = FirstTables(views, VIEWS)
            app.state.decider = decider
            app.state.metrics.add_appends(decider.tally)
            app.state.store = store
            app.state.views = views
            app.state.find_slot = partial(find_slot, views)
            app.state.find_desk_phone = partial(find_desk_phone, views)
            app.state.level_of = partial(level_of, views)
            freshness = Freshness(views, _TOPICS, log_of="booking")
            app.state.seen = partial(_seen, views, freshness)
            app.state.data_keys = KeyRing(views, wrap, settings.kafka_bootstrap_servers, "booking")
            add_ready_check(app, partial(_database_missing, views))
            add_ready_check(app, guard.ready)
            add_ready_check(app, tables.missing)
            async with tables.made(), freshness.kept():
                yield
            await decider.close()
        await store.close()
        await guard.stop()

    return build_app(lifespan=lifespan)


async def _as_it_is(_: Any) -> None:
    """Leave a connection alone: nothing here changes a session, and resetting it costs a round trip."""


async def _seen(views: Any, freshness: Freshness, view: str, positions: Positions) -> dict[str, str]:
    # What the view does not read it need not be asked for.
    wanted = {place: position for place, position in positions.items() if place[0] in _TOPICS[view]}
    return told(freshness, view, seen=await reached(views, view, wanted, _SEEN_WITHIN_SECONDS))


async def _database_missing(views: Any) -> Sequence[str]:
    await views.fetchval("select 1")
    return []
