"""Does the process serve people while Kafka is away, and say that it is?"""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from portal_chassis.access import TokenSigner, TokenVerifier

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


@pytest.fixture
async def running(environment: dict[str, str]) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    migrated = await run("migrate", environment)
    output = await migrated.communicate()
    assert migrated.returncode == 0, output
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
        await process.wait()


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
