"""Is an operator told how far relay and views are, whatever has died?"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from portal_events.topics import partition_for
from portal_eventstore import project
from portal_eventstore.editions import create_tables
from portal_eventstore.postgres import APPEND_LOCK
from portal_eventstore.project import Projector
from portal_eventstore.testing.kafka_log import Log, effects, opened_log, topics
from portal_eventstore.view import View, view_of
from portal_eventstore.vitals.lag import Lag, measure

pytestmark = pytest.mark.connected

SUBJECT = uuid.UUID(int=1)


@pytest.fixture
async def log(log_url: str, kafka: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Log]:
    monkeypatch.setattr(project, "_WATCH_SECONDS", 0.1)
    async with opened_log(log_url, kafka, partitions=4) as log:
        yield log


def _view(log: Log) -> View[Any]:
    return view_of(effects(log.counted))


async def _asked(log: Log, **changed: str) -> Lag:
    return await measure(
        changed.get("database_url", log.database_url),
        changed.get("servers", log.servers),
        log.owner,
        [_view(log)],
        keeps_log=True,
    )


async def _until(log: Log, condition: Callable[[Lag], bool]) -> Lag:
    deadline = time.monotonic() + 60
    while not condition(lag := await _asked(log)):
        assert time.monotonic() < deadline, lag
        await asyncio.sleep(0.05)
    return lag


async def _followed(log: Log, condition: Callable[[Lag], bool]) -> Lag:
    projector = Projector(
        service=log.owner, pool=log.pool, bootstrap_servers=log.servers, projections=[effects(log.counted)]
    )
    await projector.start()
    try:
        return await _until(log, condition)
    finally:
        await projector.stop()


async def test_given_a_view_that_follows_then_all_is_well(log: Log) -> None:
    await log.publish([log.stored(1, SUBJECT, 1)])
    lag = await _followed(log, lambda lag: lag.views[0].state == "following")
    assert (lag.well, lag.unasked, lag.views[0].behind, lag.views[0].worst) == (True, [], 0, None)


async def test_hazard_no_worker_lives_then_it_is_told_what_waits_and_where(log: Log) -> None:
    await create_tables(log.pool, [_view(log)])
    assert (await _asked(log)).views[0].state == "never started"
    await _followed(log, lambda lag: lag.views[0].state == "following")
    await log.pool.execute("update projection_position set fresh_at = fresh_at - interval '1 minute'")
    await log.append(SUBJECT, 1, 2)
    await log.publish([log.stored(number, SUBJECT, number) for number in range(1, 8)])
    lag = await _asked(log)
    assert lag.log is not None
    assert (lag.log.head, lag.log.published, lag.log.backlog, lag.log.owner) == (2, 0, 2, None)
    [view] = lag.views
    partition = partition_for(str(SUBJECT).encode(), log.partitions)
    assert (view.state, view.behind, view.worst) == ("behind", 7, (log.topic, partition, 7))
    assert not lag.well


async def test_hazard_kafka_lost_the_next_offset_then_the_view_is_stopped(log: Log, kafka: str) -> None:
    await _followed(log, lambda lag: lag.views[0].state == "following")
    await log.publish([log.stored(number, SUBJECT, number) for number in range(1, 8)])
    partition = partition_for(str(SUBJECT).encode(), log.partitions)
    async with topics(kafka, {}) as admin:
        await admin.delete_records({TopicPartition(log.topic, partition): RecordsToDelete(5)})
    lag = await _asked(log)
    assert lag.views[0].state == "stopped"
    assert not lag.well


async def test_given_tables_of_another_edition_or_parked_records_then_not_all_is_well(log: Log) -> None:
    await _followed(log, lambda lag: lag.views[0].state == "following")
    await log.pool.execute("update projection_position set parked = 3 where partition = 1")
    lag = await _asked(log)
    assert (lag.views[0].parked, lag.views[0].state, lag.well) == (3, "following", False)
    await log.pool.execute("update projection_view set edition = 'older'")
    assert (await _asked(log)).views[0].state == "other edition"


async def test_hazard_kafka_is_down_then_it_is_said_and_the_rest_is_told(log: Log) -> None:
    await _followed(log, lambda lag: lag.views[0].state == "following")
    await log.append(SUBJECT, 1)
    lag = await _asked(log, servers="127.0.0.1:1")
    assert lag.unasked == [f"{log.topic}: Kafka does not answer (KafkaConnectionError)"]
    assert lag.log is not None
    assert lag.log.backlog == 1
    assert (lag.views[0].behind, lag.views[0].worst) == (0, None)


async def test_hazard_postgresql_is_down_then_it_is_said(log: Log) -> None:
    lag = await _asked(log, database_url="postgresql://127.0.0.1:1/none")
    assert lag.unasked == ["PostgreSQL does not answer (ConnectionRefusedError)"]
    assert (lag.log, lag.views) == (None, [])


async def test_given_a_session_that_keeps_the_append_lock_then_it_is_named(log: Log) -> None:
    await create_tables(log.pool, [_view(log)])
    keeper = await asyncpg.connect(log.database_url, server_settings={"application_name": "somebody"})
    try:
        async with keeper.transaction():
            await keeper.execute("select pg_advisory_xact_lock($1)", APPEND_LOCK)
            lag = await _until(log, lambda lag: lag.log is not None and lag.log.kept_by is not None)
        assert lag.log is not None
        assert str(lag.log.kept_by).startswith(
            f"somebody (backend {keeper.get_server_pid()}, idle in transaction"
        )
        assert not lag.well
    finally:
        await keeper.close()
