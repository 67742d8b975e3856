"""What does a service that people ask do while its database has not started? It lives, and waits."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from portal_eventstore.guard.identity import connected_to, keep_compared
from portal_faults.running import eventually
from portal_launcher.services import SERVICES, Service, Wiring
from portal_secrets.files import make_secrets

pytestmark = pytest.mark.connected

NOWHERE = "127.0.0.1:1"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize(
    "service", [each for each in SERVICES if not each.public], ids=lambda each: each.name
)
async def test_given_no_database_yet_when_an_app_starts_then_live_and_not_ready_until_it_is_there(
    tmp_path: Path, database_url: str, service: Service
) -> None:
    door, port = free_port(), free_port()
    make_secrets(tmp_path)
    environment = told(service, tmp_path, database_url, port)
    await run("migrate", service, environment)
    # Kafka is away, too: only a store that was compared before is ready.
    connection = await asyncpg.connect(database_url)
    await keep_compared(connection, (await connected_to(connection)).identity)
    await connection.close()
    server = urlsplit(database_url)
    place = server.netloc.replace(f":{server.port}", f":{door}")
    environment["DATABASE_URL"] = urlunsplit(server._replace(netloc=place))

    app = await started("app", service, environment)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

            async def answers(path: str, status: int) -> bool:
                try:
                    return (await client.get(path)).status_code == status
                except httpx.TransportError:
                    assert app.returncode is None, "the app ended"
                    return False

            await eventually(lambda: answers("/healthz", 200), "the app is live")
            assert await answers("/readyz", 503)
            async with await doorway(door, server):
                await eventually(lambda: answers("/readyz", 200), "the app is ready")
        app.terminate()
        assert await app.wait() == 0
    finally:
        if app.returncode is None:
            app.kill()
            await app.wait()


def told(service: Service, secrets: Path, database_url: str, port: int) -> dict[str, str]:
    wiring = Wiring(
        root=secrets,
        logs=secrets,
        secrets=secrets,
        bootstrap_servers=NOWHERE,
        database_urls={service.name: database_url},
        ports={service.name: port},
        public_url="http://127.0.0.1:8080",
        smtp_url=f"smtp://{NOWHERE}",
    )
    return wiring.environment(service, service.name)


async def started(role: str, service: Service, environment: dict[str, str]) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", service.name, role)
    return await asyncio.create_subprocess_exec(*command, env=environment, stdout=DEVNULL)


async def run(role: str, service: Service, environment: dict[str, str]) -> None:
    process = await started(role, service, environment)
    assert await process.wait() == 0


async def doorway(port: int, server: Any) -> asyncio.Server:
    """Lead from a port to the database's server."""

    async def pump(reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def through(reader: StreamReader, writer: StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(server.hostname, server.port)
        async with asyncio.TaskGroup() as both:
            both.create_task(pump(reader, outer))
            both.create_task(pump(inner, writer))

    return await asyncio.start_server(through, "127.0.0.1", port)
