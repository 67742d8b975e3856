"""Which stores do the tests run against, and which bug is planted in this run?"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from portal_eventstore.memory import MemoryStore
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.store import EventStore
from portal_eventstore.testing.planting import plant_named


def pytest_configure() -> None:
    """Plant the bug that `./portal test --mutants` names, so that a test must fail."""
    plant_named(Path(__file__).parent)


@pytest.fixture
async def postgres_store(store_url: str) -> AsyncIterator[PostgresStore]:
    """An empty store in PostgreSQL."""
    store = await PostgresStore.connect(store_url, "example")
    yield store
    await store.close()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.connected)])
def store(request: pytest.FixtureRequest) -> EventStore:
    """An empty store: the same suite for every kind."""
    if request.param == "memory":
        return MemoryStore("example")
    found: PostgresStore = request.getfixturevalue("postgres_store")
    return found
