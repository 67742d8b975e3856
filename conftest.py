"""How does a connected test get a database and a broker?"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

ADVICE = "this test needs PostgreSQL and Kafka: run ./portal test (or ./portal test PATH)"


def from_environment(name: str) -> str:
    """Read what `./portal test` tells its tests, or say how to get it."""
    value = os.environ.get(name)
    if value is None:
        pytest.fail(f"{name} is not set; {ADVICE}", pytrace=False)
    return value


@pytest.fixture
def kafka() -> str:
    """Give the bootstrap servers; a test names its own topics."""
    return from_environment("PORTAL_TEST_KAFKA")


@pytest.fixture
async def database_url() -> AsyncIterator[str]:
    """Give the address of a fresh, empty database; it is dropped afterwards."""
    server = from_environment("PORTAL_TEST_DATABASE_URL")
    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'create database "{name}"')
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        await connection.execute(f'drop database "{name}" with (force)')
    finally:
        await connection.close()
