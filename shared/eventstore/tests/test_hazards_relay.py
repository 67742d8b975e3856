"""What does the relay publish when processes die, wait or dawdle around a commit? (reliability, rule 3)"""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from portal_eventstore.postgres import APPEND, conditions_arguments, events_arguments
from portal_eventstore.relay.publish import Relay
from portal_eventstore.testing.kafka_log import Log, opened_log
from portal_eventstore.testing.waiting import until
from portal_eventstore.testing.world import append

pytestmark = pytest.mark.connected


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=2) as log:
        yield log


@asynccontextmanager
async def _relay(log: Log) -> AsyncIterator[Relay]:
    relay = Relay(database_url=log.database_url, owner=log.owner, bootstrap_servers=log.servers)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


async def _killed_around_a_commit(log: Log, when: str) -> int:
    """Return the position that a process had appended when it was killed."""
    script = str(Path(__file__).with_name("appending_process.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, log.database_url, log.owner, when, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    position = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    return position


async def _published(log: Log, position: int) -> None:
    async def there() -> bool:
        return await log.published() >= position

    await until(there, f"position {position} is published")


async def _sequences(log: Log) -> list[int]:
    return sorted(int(dict(record.headers)["ce_sequence"]) for record in await log.records())


async def test_given_a_process_killed_before_its_commit_then_nothing_of_it_is_published_and_nothing_stalls(
    log: Log,
) -> None:
    """The position that it had taken stays a gap for ever."""
    async with _relay(log):
        first = await log.append(uuid.uuid4(), 0)
        await _published(log, first)
        lost = await _killed_around_a_commit(log, "before")
        last = await log.append(uuid.uuid4(), 1)
        await _published(log, last)
    assert first < lost < last
    assert await _sequences(log) == [first, last]


async def test_given_a_process_killed_between_commit_and_publish_then_another_publishes_it(log: Log) -> None:
    position = await _killed_around_a_commit(log, "after")
    assert await log.published() < position
    async with _relay(log):
        later = await log.append(uuid.uuid4(), 1)
        await _published(log, later)
    assert await _sequences(log) == [position, later]


async def test_given_a_slow_transaction_with_the_lower_position_when_another_appends_then_both_are_published(
    log: Log,
) -> None:
    slow = await asyncpg.connect(log.database_url)
    new = append(uuid.uuid4())
    transaction = slow.transaction()
    await transaction.start()
    [lower] = await slow.fetchval(APPEND, False, *events_arguments([new]), *conditions_arguments([new]))
    async with _relay(log):
        other = asyncio.create_task(log.append(uuid.uuid4(), 0))

        async def through_or_waiting() -> bool:
            if other.done():
                return await log.published() >= other.result()
            waits = "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
            return bool(await log.pool.fetchval(waits))

        await until(through_or_waiting, "the other append waits for the lock")
        await transaction.commit()
        higher = await other
        await _published(log, higher)
        assert lower < higher
        assert await _sequences(log) == [lower, higher]
    await slow.close()


async def test_given_idle_transactions_and_a_long_snapshot_then_the_relay_goes_on(
    log: Log, log_url: str
) -> None:
    """Somebody's forgotten session, in this database or another of the server, holds nothing up."""
    elsewhere = log_url.replace(f"/{log_url.rpartition('/')[2].partition('?')[0]}", "/postgres")
    idle: list[Any] = [await asyncpg.connect(url) for url in (elsewhere, log_url)]
    for connection in idle:
        await connection.transaction(isolation="repeatable_read").start()
        await connection.fetchval("select txid_current()")
    async with _relay(log):
        await _published(log, await log.append(uuid.uuid4(), 0))
        await _published(log, await log.append(uuid.uuid4(), 1))
    for connection in idle:
        await connection.close()
