"""Does a worker's process tell in /readyz and in its figures what the watcher finds, until it is over?"""

from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest

from portal_eventstore.postgres import APPEND_LOCK

from .service_processes import answers, free_port, process, until

pytestmark = pytest.mark.connected


async def test_hazard_the_append_lock_is_kept_then_not_ready_and_counted_until_it_is_let_go(
    store_url: str, tmp_path: Path
) -> None:
    port, own = free_port(), free_port()
    keeper = await asyncpg.connect(store_url, server_settings={"application_name": "somebody"})
    async with (
        process(
            "worker",
            tmp_path,
            HTTP_PORT=str(port),
            METRICS_PORT=str(own),
            DATABASE_URL=store_url,
            KEEPS_LOG="1",
        ),
        httpx.AsyncClient() as client,
    ):
        ready = f"http://127.0.0.1:{port}/readyz"

        async def figure(line: str) -> bool:
            return line in (await client.get(f"http://127.0.0.1:{own}/metrics")).text.splitlines()

        await until(lambda: answers(client, ready, 200))
        await until(lambda: figure("portal_append_lock_blocked 0.0"))
        await keeper.execute("select pg_advisory_lock($1)", APPEND_LOCK)
        await until(lambda: answers(client, ready, 503))
        [missing] = (await client.get(ready)).json()["missing"]
        assert missing.startswith(
            f"append lock of example: somebody (backend {keeper.get_server_pid()}, idle"
        )
        await until(lambda: figure("portal_append_lock_blocked 1.0"))

        await keeper.execute("select pg_advisory_unlock($1)", APPEND_LOCK)
        await until(lambda: answers(client, ready, 200))
        await until(lambda: figure("portal_append_lock_blocked 0.0"))
    await keeper.close()


async def test_hazard_events_wait_and_no_relay_runs_then_told_and_counted(
    store_url: str, tmp_path: Path
) -> None:
    port, own = free_port(), free_port()
    async with (
        process(
            "worker",
            tmp_path,
            HTTP_PORT=str(port),
            METRICS_PORT=str(own),
            DATABASE_URL=store_url,
            KEEPS_LOG="1",
        ),
        httpx.AsyncClient() as client,
    ):
        ready = f"http://127.0.0.1:{port}/readyz"
        await until(lambda: answers(client, ready, 200))
        connection = await asyncpg.connect(store_url)
        await connection.execute(
            "insert into event values (7, $1, 'T', 1, '{}', '{}', now(), '{}')",
            UUID("01890000-0000-7000-8000-000000000000"),
        )
        await until(lambda: answers(client, ready, 503))
        told = (await client.get(ready)).json()
        assert told["missing"][0].startswith("relay of example: 7 events wait, none was published for ")
        # Its id says that it was made long ago.
        assert told["degraded"][0].startswith("relay of example: 7 events wait, the oldest for ")
        figures = (await client.get(f"http://127.0.0.1:{own}/metrics")).text
        assert "portal_relay_backlog_events 7.0" in figures
        assert "portal_relay_stalled 1.0" in figures
        await connection.execute("update relay set published = 7")
        await until(lambda: answers(client, ready, 200))
        await connection.close()
