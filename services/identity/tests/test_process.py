"""Does the process serve people while Kafka or the mail server is away, or it was killed itself?"""

import asyncio
import os
import re
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from identity.send_mail.mailer import LEASE
from portal_chassis.access import TokenSigner, TokenVerifier
from portal_eventstore.guard.identity import connected_to, keep_compared

from .smtp_server import Server, listening

START_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def environment(
    tmp_path: Path, database_url: str, signer_and_verifier: tuple[TokenSigner, TokenVerifier]
) -> dict[str, str]:
    del signer_and_verifier  # wrote gateway.pub.pem
    names = ("key_encryption_key", "request_key", "uniqueness_key")
    for number, name in enumerate(names):
        (tmp_path / name).write_text("ABC"[number] * 42 + "A")
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "HTTP_PORT": str(free_port()),
        "SMTP_URL": "smtp://127.0.0.1:1",
        "MAIL_FROM": "Zdrovia <no-reply@zdrovia.example>",
        "PUBLIC_URL": "https://portal.example",
        "GATEWAY_PUBLIC_KEY_FILE": str(tmp_path / "gateway.pub.pem"),
        **{f"{name.upper()}_FILE": str(tmp_path / name) for name in names},
    }


async def run(role: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "identity", role, env=environment, stdout=PIPE, stderr=PIPE
    )


@asynccontextmanager
async def started(environment: dict[str, str]) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    process = await run("all", environment)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{environment['HTTP_PORT']}") as client:
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    assert (await client.get("/healthz")).status_code == 200
                    break
                except httpx.TransportError:
                    assert process.returncode is None, await process.communicate()
                    await asyncio.sleep(0.1)
        yield process, client
    if process.returncode is None:
        process.kill()
        await process.communicate()


@pytest.fixture
async def migrated(environment: dict[str, str]) -> dict[str, str]:
    process = await run("migrate", environment)
    output = await process.communicate()
    assert process.returncode == 0, output
    # Kafka is away in these tests: only a store that was compared before is written to.
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    await keep_compared(connection, (await connected_to(connection)).identity)
    await connection.close()
    return environment


@pytest.fixture
async def running(migrated: dict[str, str]) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    async with started(migrated) as (process, client):
        yield process, client


@pytest.mark.connected
async def test_hazard_kafka_is_away(running: tuple[Any, httpx.AsyncClient], identity: Any) -> None:
    process, client = running
    form = identity.form
    opened = await client.post("/accounts", json=form, headers={"Idempotency-Key": "k"})
    assert opened.status_code == 201
    signed_in = await client.post("/sign-ins", json={"email": form["email"], "password": form["password"]})
    assert signed_in.status_code == 200
    assert signed_in.json()["accountId"] == opened.json()["accountId"]

    async with asyncio.timeout(START_SECONDS):
        while (ready := await client.get("/readyz")).json()["missing"] in ([], ["worker: starting"]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert ready.status_code == 503

    process.terminate()
    async with asyncio.timeout(START_SECONDS):
        output, errors = await process.communicate()
    assert process.returncode == 0
    assert errors == b""
    for typed in ("kowalski", "parasol", "44051401359", "600100200"):
        assert typed not in output.decode().lower()


@pytest.mark.connected
async def test_hazard_killed_after_the_sign_up_while_the_mail_server_is_away(
    migrated: dict[str, str], identity: Any
) -> None:
    server = Server()
    async with listening(server):
        pass
    environment = {**migrated, "SMTP_URL": f"smtp://127.0.0.1:{server.port}"}
    async with started(environment) as (process, client):
        opened = await client.post("/accounts", json=identity.form, headers={"Idempotency-Key": "k"})
        assert opened.status_code == 201
        asked = await client.post("/password-resets", json={"email": identity.form["email"]})
        assert asked.status_code == 202
        process.kill()
        await process.communicate()
    # What the killed process was just sending is sent again when its lease has ended: that much time passes.
    connection = await asyncpg.connect(migrated["DATABASE_URL"])
    await connection.execute("update mail_order set due_at = due_at - $1::interval", LEASE)
    await connection.close()
    async with listening(server), started(environment) as (process, client):
        # Both mails come: what was ordered, and what follows from the event.
        async with asyncio.timeout(START_SECONDS):
            while len(server.mails) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        links = "".join(server.mails).replace("=\r\n", "")
        token = re.search(r"password-reset#([\w-]+)", links.replace("=3D", "="))
        assert token
        assert "email-confirmation#" in links
        reset = {"password": "siedem czapek na kołku"}
        used = await client.post(f"/password-resets/{token[1]}", json=reset)
        assert (used.status_code, used.json()) == (200, {"accountId": opened.json()["accountId"]})
        process.terminate()
        async with asyncio.timeout(START_SECONDS):
            output, errors = await process.communicate()
        assert (process.returncode, errors) == (0, b"")
        for typed in ("kowalski", "example.org", token[1].lower(), "czapek"):
            assert typed not in output.decode().lower()
