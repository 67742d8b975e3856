"""Which houses can a test enter: on memory alone, or with views in PostgreSQL?"""

import base64
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from booking.appointments.find import find_desk_phone
from booking.free_slots.find import find_slot
from booking.rules.wanted_slot import WantedSlot
from portal_chassis.access import TokenSigner, TokenVerifier
from portal_chassis.idempotency import RequestKeys
from portal_events.booking import DoctorDayOpened, Visit
from portal_eventstore.memory import MemoryStore
from portal_eventstore.testing.lending import Lender
from portal_eventstore.testing.planting import plant_named

from .facts import wanted
from .house import Gate, House, make_tables, open_network, opened_house, project


def pytest_configure() -> None:
    """Plant the bug that `./portal test --mutants` names, so that a test must fail."""
    plant_named(Path(__file__).parent)


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """Make the gateway's keys and booking's request key."""
    folder = tmp_path_factory.mktemp("keys")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "private.pem").write_bytes(private)
    (folder / "public.pem").write_bytes(public)
    (folder / "request").write_text(base64.urlsafe_b64encode(os.urandom(32)).decode())
    return Gate(
        folder,
        TokenSigner(folder / "private.pem"),
        TokenVerifier(folder / "public.pem", "booking"),
        RequestKeys(folder / "request"),
    )


@pytest.fixture
async def house(gate: Gate) -> AsyncIterator[House]:
    """Run the app on a MemoryStore with the network open; slots are looked up in the events themselves."""
    store = MemoryStore("booking")
    async with opened_house(gate, store) as built:
        await open_network(built.decider)

        async def find(slot_id: UUID) -> WantedSlot | None:
            for day in await built.events(DoctorDayOpened):
                for slot in day.slots:
                    if slot.slot_id == slot_id:
                        return wanted(Visit(**dict(slot), doctor_id=day.doctor_id, zone=day.zone))
            return None

        built.state.find_slot = find
        yield built


@pytest_asyncio.fixture(loop_scope="session")
async def booking_url(lender: Lender) -> AsyncIterator[str]:
    """Give the address of a database with the store's tables and booking's views, all empty."""
    async with lender.lent(make_tables) as url:
        yield url


@pytest.fixture
async def views(booking_url: str) -> AsyncIterator[Any]:
    """Give that database's connections."""
    async with asyncpg.create_pool(booking_url, min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
async def shown(gate: Gate, views: Any) -> AsyncIterator[House]:
    """Run the app on a MemoryStore and the views of a database; `project` brings the views up to date."""
    async with opened_house(gate, MemoryStore("booking")) as built:
        await open_network(built.decider)
        built.state.views = views
        built.state.find_slot = partial(find_slot, views)
        built.state.find_desk_phone = partial(find_desk_phone, views)
        await project(views, await built.store.tail(0, 1000))
        yield built
