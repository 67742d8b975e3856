"""Is it seen from outside that the append lock is kept, the relay stalls or the backlog grows?"""

import asyncio
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from portal_eventstore.kafka import Publisher, PublishError
from portal_eventstore.postgres import APPEND_LOCK
from portal_eventstore.relay.publish import Relay
from portal_eventstore.testing.kafka_log import Log, opened_log
from portal_eventstore.vitals import diagnosis
from portal_eventstore.vitals.watch import Watcher

pytestmark = pytest.mark.connected


@pytest.fixture
async def log(log_url: str, kafka: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Log]:
    monkeypatch.setattr(diagnosis, "BLOCKED_SECONDS", 0.5)
    monkeypatch.setattr(diagnosis, "STALLED_SECONDS", 1.0)
    async with opened_log(log_url, kafka) as log:
        yield log


@asynccontextmanager
async def _watched(log: Log) -> AsyncIterator[Watcher]:
    watcher = Watcher(log.database_url, log.owner, [], keeps_log=True, seconds=0.1)
    async with watcher.watching():
        yield watcher


@asynccontextmanager
async def _relayed(relay: Relay) -> AsyncIterator[Relay]:
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


async def _until(condition: Callable[[], bool], within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


async def _published(log: Log, position: int) -> None:
    deadline = time.monotonic() + 60
    while await log.published() < position:
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


async def test_hazard_a_session_keeps_the_append_lock_then_it_is_named_until_it_lets_go(log: Log) -> None:
    keeper = await asyncpg.connect(log.database_url, server_settings={"application_name": "somebody"})
    try:
        async with _watched(log) as watcher:
            await keeper.execute("select pg_advisory_lock($1)", APPEND_LOCK)
            writing = asyncio.create_task(log.append(uuid.uuid4(), 1))
            await _until(lambda: bool(watcher.problems()))
            [told] = watcher.problems()
            pid = keeper.get_server_pid()
            assert told.startswith(f"append lock of {log.owner}: somebody (backend {pid}, idle since ")
            assert told.endswith("nothing can be written; 1 wait")
            found = watcher.findings
            assert found is not None
            assert found.blocked
            assert found.lock_held >= diagnosis.BLOCKED_SECONDS

            await keeper.execute("select pg_advisory_unlock($1)", APPEND_LOCK)
            await _until(lambda: not any("append lock" in problem for problem in watcher.problems()))
            await writing
    finally:
        await keeper.close()


async def test_hazard_kafka_is_down_then_the_backlog_is_seen_to_grow_and_to_drain(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "OLD_SECONDS", 0.5)
    down = True

    async def connect(servers: str) -> Publisher:
        if down:
            raise PublishError("no broker answers")
        return await Publisher.connect(servers)

    relay = Relay(
        database_url=log.database_url, owner=log.owner, bootstrap_servers=log.servers, connect=connect
    )
    async with _relayed(relay), _watched(log) as watcher:
        await log.append(uuid.uuid4(), 1, 2)
        await _until(lambda: bool(watcher.degraded()))
        assert watcher.degraded()[0].startswith(f"relay of {log.owner}: 2 events wait, the oldest for ")
        last = await log.append(uuid.uuid4(), 1, 2, 3)
        await _until(lambda: "5 events wait" in str(watcher.degraded()))
        await _until(lambda: bool(watcher.problems()))
        assert f"{log.owner} relay (backend " in watcher.problems()[0]
        assert relay.failed > 0
        assert relay.owns

        down = False
        await _published(log, last)
        await _until(lambda: not watcher.degraded() and not watcher.problems())


async def test_hazard_no_relay_runs_then_it_is_told_that_nobody_owns_the_log(log: Log) -> None:
    async with _watched(log) as watcher:
        last = await log.append(uuid.uuid4(), 1)
        await _until(lambda: bool(watcher.problems()))
        assert watcher.problems()[0].endswith("no relay owns the log")
        relay = Relay(database_url=log.database_url, owner=log.owner, bootstrap_servers=log.servers)
        async with _relayed(relay):
            await _published(log, last)
            await _until(lambda: not watcher.problems())


async def test_hazard_the_owner_hangs_then_whoever_stands_by_says_so_and_names_it(log: Log) -> None:
    # A lease so long that the server does not end its session meanwhile.
    arguments = [log.database_url, log.owner, log.servers, "600"]
    owner = subprocess.Popen([sys.executable, str(Path(__file__).with_name("relay_process.py")), *arguments])
    try:
        await _published(log, await log.append(uuid.uuid4(), 1))
        standby = Relay(database_url=log.database_url, owner=log.owner, bootstrap_servers=log.servers)
        async with _relayed(standby), _watched(log) as watcher:
            await _until(lambda: watcher.findings is not None)
            assert (watcher.problems(), standby.problems()) == ((), [])
            owner.send_signal(signal.SIGSTOP)
            last = await log.append(uuid.uuid4(), 1)
            await _until(lambda: bool(watcher.problems()))
            [told] = watcher.problems()
            assert told.startswith(f"relay of {log.owner}: 1 events wait, none was published for ")
            assert f"{log.owner} relay (backend " in told
            assert not standby.owns

            owner.send_signal(signal.SIGCONT)
            await _published(log, last)
            await _until(lambda: not watcher.problems())
    finally:
        owner.kill()
        owner.wait()


async def test_hazard_postgresql_is_away_then_nothing_old_is_told_as_new(log: Log) -> None:
    watcher = Watcher("postgresql://127.0.0.1:1/none", log.owner, [], keeps_log=True, seconds=0.1)
    async with watcher.watching():
        watcher._began -= 11
        assert watcher.findings is None
        assert watcher.problems() == ()
        assert watcher.degraded()[0].startswith(f"vitals of {log.owner}: not known for 1")
