"""Do patients' keys reach every service, once they are issued and until they are erased?"""

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from portal_events.keys import FileKeyWrap
from portal_events.topics import partition_for
from portal_eventstore.decision import KeyUnavailable
from portal_eventstore.kafka import Outgoing, Publisher
from portal_eventstore.keys.issue_keys import KeyPublisher
from portal_eventstore.keys.key_ring import KeyRing
from portal_eventstore.testing.kafka_log import topics

pytestmark = pytest.mark.connected

ISSUED_KEY = Path(__file__).parents[3] / "services/identity/migrations/0002_issued_key.sql"
"""The publisher's table belongs to identity, whose migration says what it is."""


@dataclass
class Keys:
    """identity's publisher and another service's ring, for brevity in one database."""

    pool: Any
    wrap: FileKeyWrap
    servers: str
    topic: str
    database_url: str

    def publisher(self) -> KeyPublisher:
        return KeyPublisher(self.database_url, self.wrap, self.servers, topic=self.topic)

    def ring(self) -> KeyRing:
        return KeyRing(self.pool, self.wrap, self.servers, self.topic.partition(".")[0], topic=self.topic)

    async def erase(self, patient_id: uuid.UUID) -> None:
        key = str(patient_id).encode()
        publisher = await Publisher.connect(self.servers)
        await publisher.publish(self.topic, partition_for(key, 3), [Outgoing(key, None)])
        await publisher.close()


@pytest.fixture
async def keys(store_url: str, kafka: str, tmp_path: Path) -> AsyncIterator[Keys]:
    path = tmp_path / "kek"
    path.write_text(base64.urlsafe_b64encode(bytes(range(32))).decode())
    pool = await asyncpg.create_pool(store_url, min_size=1, max_size=5)
    await pool.execute(ISSUED_KEY.read_text().split("-- migrate:down")[0])
    topic = f"test{uuid.uuid4().hex[:12]}.keys"
    async with topics(kafka, {topic: 3}, {"cleanup.policy": "compact"}):
        yield Keys(pool, FileKeyWrap(path), kafka, topic, store_url)
    await pool.close()


async def test_given_a_key_is_issued_when_asked_for_elsewhere_then_it_arrives(keys: Keys) -> None:
    patient = uuid.uuid4()
    publisher, ring = keys.publisher(), keys.ring()
    await asyncio.gather(publisher.start(), ring.start())
    try:
        # Asked for before it is there.
        waiting = asyncio.create_task(ring.key_for(patient, within=15))
        await asyncio.sleep(0.1)
        issued = await publisher.issue(keys.pool, patient)
        assert await waiting == issued
        assert await publisher.issue(keys.pool, patient) == issued
        # From the cache: no database needed.
        await keys.pool.execute("delete from patient_key")
        assert await ring.key_for(patient) == issued
    finally:
        await asyncio.gather(publisher.stop(), ring.stop())


async def test_given_another_process_issues_in_a_transaction_then_the_key_is_published_after_it(
    keys: Keys,
) -> None:
    patient, undone = uuid.uuid4(), uuid.uuid4()
    publisher, ring = keys.publisher(), keys.ring()
    await asyncio.gather(publisher.start(), ring.start())
    elsewhere = keys.publisher()
    try:
        async with keys.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await elsewhere.issue(connection, undone)
            await transaction.rollback()
            async with connection.transaction():
                issued = await elsewhere.issue(connection, patient)
        assert await ring.key_for(patient, within=15) == issued
        with pytest.raises(KeyUnavailable):
            await ring.key_for(undone, within=0.2)
    finally:
        await asyncio.gather(publisher.stop(), ring.stop())


async def test_given_two_issue_at_once_then_both_get_the_same_key(keys: Keys) -> None:
    patient = uuid.uuid4()
    issued = await asyncio.gather(*(keys.publisher().issue(keys.pool, patient) for _ in range(4)))
    assert len(set(issued)) == 1


async def test_given_a_tombstone_then_the_key_is_gone(keys: Keys) -> None:
    patient, kept = uuid.uuid4(), uuid.uuid4()
    publisher, ring = keys.publisher(), keys.ring()
    await asyncio.gather(publisher.start(), ring.start())
    try:
        await publisher.issue(keys.pool, patient)
        await publisher.issue(keys.pool, kept)
        await ring.key_for(patient, within=15)
        await ring.key_for(kept, within=15)
        await keys.erase(patient)
        deadline = time.monotonic() + 10
        while await keys.pool.fetchval("select count(*) from patient_key") != 1:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        with pytest.raises(KeyUnavailable):
            await keys.ring().key_for(patient, within=0.1)
        assert len(await keys.ring().key_for(kept)) == 32
    finally:
        await asyncio.gather(publisher.stop(), ring.stop())


async def test_given_an_unknown_patient_then_the_key_is_unavailable_in_time(keys: Keys) -> None:
    ring = keys.ring()
    await ring.start()
    began = time.monotonic()
    with pytest.raises(KeyUnavailable):
        await ring.key_for(uuid.uuid4(), within=0.3)
    assert 0.2 < time.monotonic() - began < 1.5
    await ring.stop()


async def test_given_kafka_is_down_when_issued_then_the_key_waits_and_the_publisher_says_so(
    keys: Keys,
) -> None:
    publisher = KeyPublisher(keys.database_url, keys.wrap, "127.0.0.1:1", topic=keys.topic)
    await publisher.start()
    key = await publisher.issue(keys.pool, uuid.uuid4())
    assert len(key) == 32
    deadline = time.monotonic() + 5
    while not publisher.problems():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await asyncio.wait_for(publisher.stop(), 5)
    assert await keys.pool.fetchval("select count(*) from issued_key where published_at is null") == 1
