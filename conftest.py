"""How does a connected test get a database and a broker, and which refusals did this run see?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from portal_contract.seen import Recorder
from portal_eventstore.testing.kafka_log import migrate, migrate_with_effects
from portal_eventstore.testing.lending import Lender

LAST = "test_every_refusal_is_produced.py"
"""Looks back on the whole run."""

RECORDER = pytest.StashKey[Recorder]()
PART = pytest.StashKey[str]()
"""Why this is not the whole run, where it is not."""


def pytest_configure(config: pytest.Config) -> None:
    """Look at every answer from now on; see whether all tests were asked for."""
    config.stash[RECORDER] = Recorder()
    config.stash[RECORDER].start()
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        config.stash[PART] = "only some paths were run"
    elif config.option.ignore or config.option.ignore_glob:
        config.stash[PART] = "some paths were left out"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave httpx as it was."""
    if RECORDER in config.stash:
        config.stash[RECORDER].stop()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Note that not all tests run."""
    if items:
        items[0].config.stash[PART] = "some tests were deselected"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put last what looks back."""
    items.sort(key=lambda item: item.path.name == LAST)


@pytest.fixture(scope="session")
def refusals_seen(request: pytest.FixtureRequest) -> Recorder:
    """Give what the whole run has seen so far; skip in a part of it."""
    part = request.config.stash.get(PART, None)
    if part is not None:
        pytest.skip(f"{part}: what the whole run produces can be judged by the whole run only")
    return request.config.stash[RECORDER]


@pytest.fixture(scope="session")
def servers() -> Iterator[Mapping[str, str]]:
    """Give PostgreSQL and Kafka to the whole run, unless it was given them (portal_launcher.backend)."""
    if "PORTAL_TEST_KAFKA" in os.environ:
        yield os.environ
        return
    command = [sys.executable, "-m", "portal_launcher.backend"]
    with subprocess.Popen(  # noqa: S603  our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        answer = process.stdout.readline() if process.stdout else ""
        if not answer:
            pytest.fail("PostgreSQL and Kafka did not start; standard error says why", pytrace=False)
        yield json.loads(answer)
        process.communicate()  # its input ends, and so does the process


@pytest.fixture(scope="session")
def proof() -> Iterator[dict[str, Any]]:
    """Collect what a proof's tests find, by their names; `./portal prove` says where it is written."""
    found: dict[str, Any] = {}
    yield found
    if "PORTAL_PROOF_RESULTS" in os.environ:
        Path(os.environ["PORTAL_PROOF_RESULTS"]).write_text(json.dumps(found, indent=1))


@pytest.fixture
def kafka(servers: Mapping[str, str]) -> str:
    """Give the bootstrap servers; a test names its own topics."""
    return servers["PORTAL_TEST_KAFKA"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lender(servers: Mapping[str, str]) -> AsyncIterator[Lender]:
    """Give what lends databases; its connections live as long as the run."""
    url = servers["PORTAL_TEST_DATABASE_URL"]
    server = await asyncpg.connect(url)
    lender = Lender(url, server)
    yield lender
    await lender.close()
    await server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def store_url(lender: Lender) -> AsyncIterator[str]:
    """Give the address of a database with the event store's tables, and nothing in them."""
    async with lender.lent(migrate) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def log_url(lender: Lender) -> AsyncIterator[str]:
    """Give the address of a database for a log or a topic, and the view of its effects."""
    async with lender.lent(migrate_with_effects) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def database_url(lender: Lender) -> AsyncIterator[str]:
    """Give the address of a fresh, empty database; it is dropped afterwards."""
    async with lender.fresh() as url:
        yield url
