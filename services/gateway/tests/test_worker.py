"""Does what booking publishes arrive on the timeline, and does the process say what it lacks?"""

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import unused_port
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from gateway.__main__ import SERVICE
from gateway.database import connected
from gateway.directory.project import DIRECTORY
from gateway.timeline.project import TIMELINE, TOLD_LEVELS
from portal_chassis.migrate import migrate
from portal_chassis.positions import encode
from portal_events.cloudevents import to_record
from portal_events.stored import StoredEvent
from portal_events.testing import booked, confirmed, service, visit
from portal_events.topics import PARTITIONS, partition_for
from portal_eventstore.kafka import Outgoing, Publisher
from portal_eventstore.project import Projector, reached
from portal_eventstore.testing.kafka_log import topics

from .visits import IDENTITY, NOON, TOPIC, VIEWS, stored

pytestmark = pytest.mark.connected


async def publish(servers: str, topic: str, events: list[StoredEvent]) -> dict[tuple[str, int], int]:
    """Put events on the topic as the relay does, and return the positions to wait for."""
    positions: dict[tuple[str, int], int] = {}
    publisher = await Publisher.connect(servers)
    try:
        for event in events:
            record = to_record(event)
            partition = partition_for(record.key, PARTITIONS)
            sent = [Outgoing(record.key, record.value, record.headers)]
            while sent:
                del sent[: await publisher.publish(topic, partition, sent)]
            positions[topic, partition] = event.position
    finally:
        await publisher.close()
    return positions


async def test_given_a_booking_on_kafka_when_waited_for_then_on_the_timeline(
    portal: Any, database_url: str, kafka: str
) -> None:
    topic = f"booking.{uuid.uuid4().hex}"
    patient_id = uuid.uuid4()
    booking = booked(visit(NOON), patient_id)
    await migrate(database_url, *SERVICE.migrations)
    identity = f"identity.{uuid.uuid4().hex}"
    async with (
        topics(kafka, {topic: PARTITIONS, identity: PARTITIONS}),
        connected(database_url, "test") as pool,
    ):
        projector = Projector(
            service=f"gateway-{uuid.uuid4().hex}",
            pool=pool,
            bootstrap_servers=kafka,
            projections=[
                replace(DIRECTORY, topics=(topic,)),
                replace(TIMELINE, topics=(topic,)),
                replace(TOLD_LEVELS, topics=(identity,)),
            ],
        )
        await projector.start()
        try:
            wanted = await publish(kafka, topic, [stored(service()), stored(booking)])
            risen = await publish(kafka, identity, [stored(confirmed(patient_id))])
            for view in VIEWS:
                assert await reached(pool, view.view, {**wanted, **risen}, 20)
            portal.app.state.pool = pool
            await portal.sign_in(patient_id)
            response = await portal.browser.get(
                "/api/timeline", headers={"Portal-Position": encode({("booking.events", 0): 0})}
            )
        finally:
            await projector.stop()
    assert response.json()["locked"] is None
    [item] = response.json()["items"]
    assert (item["title"], item["appointmentId"]) == ("Stomatolog", str(booking.appointment_id))


async def create_the_topics(servers: str) -> None:
    """Create the owners' topics, as the launcher does; that they are there already is fine."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in (TOPIC, IDENTITY)])
    finally:
        await admin.close()


@asynccontextmanager
async def process(
    database_url: str, kafka: str, settings: Any, **changed: str
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Run `python -m gateway all` for the block."""
    port = unused_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "HTTP_PORT": str(port),
        "GATEWAY_SIGNING_KEY_FILE": str(settings.gateway_signing_key_file),
        "BOOKING_URL": settings.booking_url,
        "IDENTITY_URL": settings.identity_url,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        **changed,
    }
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "all", env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield f"http://127.0.0.1:{port}", started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def until_ready(url: str, wanted: set[str]) -> dict[str, Any]:
    """Ask /readyz until exactly `wanted` is missing; the test's time-out is the deadline."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(40):
        while True:
            try:
                async with http.get(f"{url}/readyz") as response:
                    found = json.loads(await response.read())
                    if set(found["missing"]) == wanted:
                        return {**found, "code": response.status}
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


async def test_given_services_up_when_started_then_ready_and_sigterm_ends_it_with_0(
    portal: Any, database_url: str, kafka_for_a_portal: str
) -> None:
    await migrate(database_url, *SERVICE.migrations)
    await create_the_topics(kafka_for_a_portal)
    urls = {"BOOKING_URL": portal.booking.url, "IDENTITY_URL": portal.identity.url}
    async with process(database_url, kafka_for_a_portal, portal.settings, **urls) as (url, started):
        found = await until_ready(url, set())
        assert (found["code"], found["status"]) == (200, "ready")
        started.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await started.wait() == 0


async def test_hazard_everything_away_when_started_then_alive_and_says_what_is_missing(
    make_settings: Any, kafka: str
) -> None:
    settings = make_settings()
    async with process(settings.database_url, kafka, settings) as (url, _):
        found = await until_ready(
            url,
            {
                "the gateway's database does not answer",
                "booking does not answer",
                "identity does not answer",
                "worker: ConnectionRefusedError",
            },
        )
        assert found["code"] == 503
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{url}/healthz") as response:
                assert response.status == 200
            async with http.get(f"{url}/") as response:
                assert response.status == 200
            cookies = {"portal": "a" * 43}
            async with http.get(f"{url}/api/me", cookies=cookies) as response:
                assert response.status == 503
                assert response.headers["Retry-After"]
