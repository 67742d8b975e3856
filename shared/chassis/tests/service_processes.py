"""How do tests start a service's process, and wait for it?"""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

PROGRAM = Path(__file__).with_name("service_process.py")
START_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def process(role: str, folder: Path, *, failures: int = 0, **changes: str) -> AsyncIterator[Process]:
    (folder / "failures").write_text(str(failures))
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgresql://127.0.0.1/none",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "FAILURES": str(folder / "failures"),
        **{name: os.environ[name] for name in ("PORTAL_MUTANT",) if name in os.environ},
        **changes,
    }
    started = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), role, env=environment, stdout=PIPE, stderr=PIPE
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not await condition():  # noqa: ASYNC110 - another process's state has no event
            await asyncio.sleep(0.05)


async def answers(client: httpx.AsyncClient, path: str, status: int) -> bool:
    try:
        return (await client.get(path)).status_code == status
    except httpx.TransportError:
        return False
