"""Does a process start, say what it lacks, drain when told to stop, and end with 0?"""

import asyncio
import signal
import socket
from pathlib import Path

import httpx
import pytest

from .service_processes import answers, free_port, process, until


@pytest.mark.parametrize(
    ("role", "number"), [("app", signal.SIGINT), ("worker", signal.SIGTERM), ("all", signal.SIGTERM)]
)
async def test_given_a_role_when_signalled_then_it_was_ready_and_ends_with_0(
    role: str, number: signal.Signals, tmp_path: Path
) -> None:
    port = free_port()
    async with (
        process(role, tmp_path, HTTP_PORT=str(port)) as started,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        await until(lambda: answers(client, "/readyz", 200))
        assert "server" not in (await client.get("/healthz")).headers
        assert (await client.get("/slow")).status_code == (404 if role == "worker" else 200)
        started.send_signal(number)
        output, errors = await started.communicate()
    assert started.returncode == 0
    assert (b"worker ended" in output) == (role != "app")
    assert errors == b""


async def test_given_a_request_under_way_when_signalled_then_it_is_answered_first(tmp_path: Path) -> None:
    port = free_port()
    async with (
        process("all", tmp_path, HTTP_PORT=str(port)) as started,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        await until(lambda: answers(client, "/readyz", 200))
        slow = asyncio.create_task(client.get("/slow"))
        await asyncio.sleep(0.3)
        started.terminate()
        assert (await slow).json() == "done"
        assert await started.wait() == 0


async def test_given_a_worker_that_fails_at_first_when_started_then_live_not_ready_then_ready(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with (
        process("all", tmp_path, failures=2, HTTP_PORT=str(port)) as started,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        await until(lambda: answers(client, "/healthz", 200))
        missing = (await client.get("/readyz")).json()["missing"]
        assert missing == ["worker: ConnectionRefusedError"]
        await until(lambda: answers(client, "/readyz", 200))
        started.terminate()
        output, _ = await started.communicate()
    assert started.returncode == 0
    assert output.count(b"worker failed") == 2
    assert b"jan.kowalski" not in output


async def test_given_a_variable_missing_when_started_then_one_sentence_and_1(tmp_path: Path) -> None:
    async with process("app", tmp_path) as started:
        _, errors = await started.communicate()
    assert started.returncode == 1
    assert errors == b"example: set these environment variables (README.md): HTTP_PORT\n"


async def test_given_a_taken_port_when_started_then_one_sentence_and_1(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        async with process("app", tmp_path, HTTP_PORT=str(port)) as started:
            _, errors = await started.communicate()
    assert started.returncode == 1
    assert errors == f"example: cannot listen on 127.0.0.1:{port}\n".encode()
