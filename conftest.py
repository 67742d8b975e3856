"""How does a connected test get a database and a broker, and which refusals did this run see?"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from portal_contract.seen import Recorder
from portal_events.topics import TOPICS
from portal_eventstore.testing.kafka_log import migrate, migrate_with_effects
from portal_eventstore.testing.lending import Lender

T = TypeVar("T")

RECORDER = pytest.StashKey[Recorder]()

ENDS = ("failed", "error", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings")
LONG = 1.0
"""Seconds from which on a run may want to name a test for the time it took."""


def pytest_configure(config: pytest.Config) -> None:
    """Look at every answer from now on."""
    config.stash[RECORDER] = Recorder()
    config.stash[RECORDER].start()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave httpx as it was."""
    if RECORDER in config.stash:
        config.stash[RECORDER].stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell the run that this is a part of (portal_launcher.suite) how the tests ended, and what they saw."""
    if "PORTAL_TEST_NOTES" not in os.environ:
        return
    stats = terminalreporter.stats
    took = defaultdict[str, float](float)
    for report in (each for some in stats.values() for each in some if isinstance(each, pytest.TestReport)):
        took[report.nodeid] += report.duration
    notes = {
        "counts": {end: len(stats[end]) for end in ENDS if end in stats},
        "failed": [report.nodeid for end in ENDS[:2] for report in stats.get(end, ())],
        "slowest": [(seconds, test) for test, seconds in took.items() if seconds > LONG],
        **config.stash[RECORDER].written(),
    }
    Path(os.environ["PORTAL_TEST_NOTES"]).write_text(json.dumps(notes))


@pytest.fixture(scope="session")
def refusals_seen() -> Recorder:
    """Give what all processes of a whole run have seen; skip in any other."""
    if "PORTAL_TEST_WHOLE_RUN" not in os.environ:
        pytest.skip("what the whole run produces is judged by ./portal test")
    recorder = Recorder()
    for notes in Path(os.environ["PORTAL_TEST_WHOLE_RUN"]).glob("*.json"):
        recorder.read(json.loads(notes.read_text()))
    return recorder


@pytest.fixture(scope="session")
def servers(given_servers: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Give PostgreSQL and Kafka to all tests of this process, which leave no topic behind."""
    kafka = given_servers["PORTAL_TEST_KAFKA"]
    before = asked(kafka, list_topics)
    with pytest.MonkeyPatch.context() as patch:
        makers = watch_topics(patch)
        yield given_servers
    if left := asked(kafka, list_topics) - before:
        named = sorted(
            f"{makers.get(topic, 'a process of some test')} left the topic {topic}" for topic in left
        )
        pytest.fail("\n".join(named), pytrace=False)


def asked(kafka: str, question: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
    """Return what a broker answers, in a loop of another thread: the tests' own loops stay theirs."""

    async def ask() -> T:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        try:
            return await question(admin)
        finally:
            await admin.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ask()).result()


async def list_topics(admin: AIOKafkaAdminClient) -> set[str]:
    """List the topics of a broker, without its own."""
    return {name for name in await admin.list_topics() if not name.startswith("__")}


async def delete_the_portals(admin: AIOKafkaAdminClient) -> None:
    """Delete the portal's own topics; whoever wrote them may still be leaving."""
    while stale := sorted(set(TOPICS) & await list_topics(admin)):
        await admin.delete_topics(stale)
        await asyncio.sleep(0.05)


def watch_topics(patch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Return which test made each topic, as tests go on making them."""
    makers: dict[str, str] = {}
    create = AIOKafkaAdminClient.create_topics

    async def noted(admin: AIOKafkaAdminClient, new: Sequence[NewTopic], *args: Any, **more: Any) -> Any:
        makers.update({topic.name: os.environ.get("PYTEST_CURRENT_TEST", "") for topic in new})
        return await create(admin, new, *args, **more)

    patch.setattr(AIOKafkaAdminClient, "create_topics", noted)
    return makers


@pytest.fixture(scope="session")
def given_servers() -> Iterator[Mapping[str, str]]:
    """Bring up PostgreSQL and Kafka, unless they were given (portal_launcher.backend)."""
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


@pytest.fixture(scope="session")
def forget_topics(servers: Mapping[str, str]) -> Callable[[], None]:
    """Give what removes the portal's own topics: their events are of stores that are gone."""
    return partial(asked, servers["PORTAL_TEST_KAFKA"], delete_the_portals)


@pytest.fixture
def kafka_for_a_portal(kafka: str, forget_topics: Callable[[], None]) -> Iterator[str]:
    """Give the bootstrap servers to a test whose processes use the portal's own topics."""
    forget_topics()
    yield kafka
    forget_topics()


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
