"""On which PostgreSQL and Kafka do tests run?

On containers where a Docker engine answers, else on servers of this machine; PORTAL_TEST_BACKEND names one of
the two. As a program, `python -m portal_launcher.backend` brings them up, prints where they are as one line
of JSON, and removes them when its standard input ends: with whoever asked for them, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator

from portal_launcher.faults import UNKNOWN_BACKEND, Fault
from portal_launcher.progress import Progress, complain
from portal_launcher.throwaway import Servers, throwaway_servers

CONTAINERS, LOCAL = "containers", "local"

FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""A test's data need not outlive the power."""


def chosen() -> str:
    """Return the backend; raises Fault for a name that is none."""
    from portal_launcher.throwaway_containers import engine_answers  # noqa: PLC0415  slow, and seldom needed

    named = os.environ.get("PORTAL_TEST_BACKEND")
    if named is None:
        return CONTAINERS if engine_answers() else LOCAL
    if named not in {CONTAINERS, LOCAL}:
        raise Fault(UNKNOWN_BACKEND, f"PORTAL_TEST_BACKEND is containers or local, not {named}.")
    return named


@contextlib.asynccontextmanager
async def backend(progress: Progress) -> AsyncIterator[dict[str, str]]:
    """Bring up the chosen servers, and give what tests are told of them; remove everything afterwards."""
    overrides = FORGETFUL if os.environ.get("PORTAL_TEST_FSYNC", "off") == "off" else {}
    if chosen() == LOCAL:
        async with throwaway_servers("test", progress, overrides, kafka=True) as servers:
            yield told(servers)
        return
    from portal_launcher.throwaway_containers import throwaway_containers  # noqa: PLC0415  see above

    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with throwaway_containers(overrides) as where:
        progress.say("PostgreSQL and Kafka are ready, as containers")
        yield where


def told(servers: Servers) -> dict[str, str]:
    """Tell tests where the servers are and where their bytes lie."""
    if servers.postgres is None or servers.kafka is None:
        raise AssertionError
    return {
        "PORTAL_TEST_DATABASE_URL": servers.postgres.url("postgres", "postgres"),
        "PORTAL_TEST_KAFKA": servers.kafka.bootstrap_servers,
        "PORTAL_TEST_STATE": str(servers.state),
        "PORTAL_TEST_PG_DATA": str(servers.postgres.data),
        "PORTAL_TEST_KAFKA_DATA": str(servers.kafka.data),
    }


async def serve() -> None:
    """Keep the servers up until standard input ends."""
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        async with backend(Progress()) as where:
            answers.write(json.dumps(where) + "\n")
            answers.flush()
            stream = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(stream), sys.stdin
            )
            await stream.read()


if __name__ == "__main__":
    # A keyboard's Ctrl-C is for whoever asked: they go first, and this follows when their pipe closes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(serve())
    except Fault as fault:
        complain(str(fault))
        sys.exit(fault.code)
