"""What is left of a rebuild that something ends, and does the next one go on from there?"""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from portal_eventstore.rebuild import fill, steps
from portal_eventstore.rebuild.build import RebuildError
from portal_eventstore.rebuild.cancel import cancel
from portal_eventstore.rebuild.lock import RunningError
from portal_eventstore.rebuild.rebuild import help_filling, rebuild
from portal_eventstore.testing.kafka_log import Log, opened_log, topics
from portal_eventstore.testing.tally import rows, tally
from portal_eventstore.view import Bulk, Received, Rows, View

from .test_rebuild import events, following, leftovers, seen, times, until

pytestmark = pytest.mark.connected


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=3) as log:
        yield log


async def followed(log: Log, view: View[Any], last: int = 100) -> None:
    """Fill the live tables."""
    async with following(log, view):
        await log.publish(events(log, 1, last))
        await seen(log, last - 1)


@pytest.mark.parametrize(
    "where", ["first unit", "INDEX", "SETTLE", "FOLLOW", "COMPARE", "SWITCH", "uncommitted switch"]
)
async def test_given_a_rebuild_is_killed_when_started_again_then_it_goes_on_there(
    log: Log, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = tally(log)
    await followed(log, view)
    command = [sys.executable, str(Path(__file__).with_name("rebuild_process.py"))]
    command += [log.database_url, log.owner, log.servers, log.topic, where]
    killed = await asyncio.to_thread(subprocess.run, command, check=False, timeout=60)
    assert killed.returncode == -9
    build = await log.pool.fetchval("select id from projection_build")
    read: list[int] = []
    whole = fill._copy

    async def counted(build: Any, connection: Any, topic: str, partition: int, fence: int) -> Any:
        read.append(partition)
        return await whole(build, connection, topic, partition, fence)

    monkeypatch.setattr(fill, "_copy", counted)
    done: list[Any] = []
    built = steps.built

    async def noted(build: Any, helpers: Any) -> Any:
        done.append(build.id)
        return await built(build, helpers)

    monkeypatch.setattr("portal_eventstore.rebuild.rebuild.built", noted)
    rebuilt = await rebuild(log.database_url, log.servers, view)
    assert rebuilt.comparison.equal
    assert done == [build]
    assert len(read) == (2 if where == "first unit" else 0)
    assert await leftovers(log) == []
    assert await times(log) == 99


class _Held:
    """Holds a rebuild up while it folds."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()

    def view(self, view: View[Received]) -> View[Received]:
        async def apply(connection: Any, batch: Any) -> None:
            self.began.set()
            await self.go_on.wait()
            await view.apply(connection, batch)

        return replace(view, apply=apply, bulk=None)


async def test_given_a_rebuild_runs_when_another_begins_then_it_says_so_and_leaves_it_alone(log: Log) -> None:
    view, held = tally(log), _Held()
    await followed(log, view)
    running = asyncio.create_task(rebuild(log.database_url, log.servers, held.view(view)))
    await asyncio.wait_for(held.began.wait(), 20)
    with pytest.raises(RunningError, match=r"under way in another process .PostgreSQL's process [0-9]+"):
        await asyncio.wait_for(rebuild(log.database_url, log.servers, view), 20)
    held.go_on.set()
    assert (await asyncio.wait_for(running, 20)).comparison.equal


async def test_given_a_running_rebuild_when_cancelled_then_it_ends_and_nothing_of_it_is_left(
    log: Log,
) -> None:
    view, held = tally(log), _Held()
    await followed(log, view)
    running = asyncio.create_task(rebuild(log.database_url, log.servers, held.view(view)))
    await asyncio.wait_for(held.began.wait(), 20)
    assert await cancel(log.database_url, "tally")
    with pytest.raises(RebuildError, match="cancelled"):
        await asyncio.wait_for(running, 20)
    assert await leftovers(log) == []
    assert await times(log) == 99
    assert not await cancel(log.database_url, "tally")


async def test_given_a_cancelled_build_when_its_process_writes_late_then_no_table_changes(log: Log) -> None:
    view, held = tally(log), _Held()
    await followed(log, view)
    running = asyncio.create_task(rebuild(log.database_url, log.servers, held.view(view)))
    await asyncio.wait_for(held.began.wait(), 20)
    # As if the session that held the lock had not been missed yet. What is being written is waited for.
    gone = asyncio.create_task(
        log.pool.execute("delete from projection_build; drop schema tally_next cascade")
    )
    await asyncio.wait({gone}, timeout=1)
    held.go_on.set()
    await gone
    with pytest.raises(RebuildError):
        await asyncio.wait_for(running, 20)
    assert await times(log) == 99


async def test_given_kafka_lacks_the_beginning_when_rebuilt_then_refused_and_the_view_stays(
    log: Log, kafka: str
) -> None:
    view = tally(log)
    await followed(log, view)
    async with topics(kafka, {}) as admin:
        await admin.delete_records({TopicPartition(log.topic, 1): RecordsToDelete(1)})
    with pytest.raises(RebuildError, match=rf"no longer holds the beginning of {log.topic}/1"):
        await rebuild(log.database_url, log.servers, view)
    assert await leftovers(log) == []
    assert await times(log) == 99


async def test_given_kafka_is_down_when_rebuilt_then_a_sentence_and_the_view_stays(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal_eventstore.rebuild.begin.fences.__kwdefaults__", {"patience": 0.5})
    view = tally(log)
    await followed(log, view)
    with pytest.raises(RebuildError, match=r"Kafka does not answer .* run the rebuild again"):
        await rebuild(log.database_url, "127.0.0.1:1", view)
    assert await times(log) == 99


async def test_given_postgres_ends_its_sessions_when_rebuilt_again_then_it_goes_on(log: Log) -> None:
    view, held = tally(log), _Held()
    await followed(log, view)
    running = asyncio.create_task(rebuild(log.database_url, log.servers, held.view(view)))
    await asyncio.wait_for(held.began.wait(), 20)
    # As a restart does.
    await log.pool.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'rebuild%'"
        " and datname = current_database()"
    )
    with pytest.raises(RebuildError, match="run the rebuild again"):
        await asyncio.wait_for(running, 20)
    assert (await rebuild(log.database_url, log.servers, tally(log, bulk=False))).comparison.equal
    assert await leftovers(log) == []


async def test_given_an_unfinished_build_of_another_edition_when_rebuilt_then_it_begins_anew(
    log: Log,
) -> None:
    await followed(log, tally(log))
    held = _Held()
    running = asyncio.create_task(rebuild(log.database_url, log.servers, held.view(tally(log, version=2))))
    await asyncio.wait_for(held.began.wait(), 20)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 20)
    before = await log.pool.fetchval("select id from projection_build")
    assert before is not None
    assert (await rebuild(log.database_url, log.servers, tally(log))).comparison.equal
    assert await leftovers(log) == []


async def test_given_an_event_that_cannot_be_folded_when_rebuilt_then_it_alone_is_parked_with_its_key(
    log: Log,
) -> None:
    view = tally(log)
    bad = uuid.UUID(int=3)

    def refuse(history: Any) -> None:
        if any(r.event.subject == bad and r.event.number == 5 for r in history):
            raise ValueError("Anna Nowak")

    async def apply(connection: Any, batch: Any) -> None:
        refuse(batch)
        await view.apply(connection, batch)

    def fold(history: Any) -> Rows:
        refuse(history)
        return rows(history)

    picky = replace(view, apply=apply, bulk=Bulk(fold))
    async with following(log, picky):
        await log.publish(events(log, 1, 100))
        await seen(log, 99)
        rebuilt = await rebuild(log.database_url, log.servers, picky)
        assert rebuilt.comparison.equal
        assert await times(log) == 94
        waiting = await log.pool.fetch("select view, reason from parked where status = 'waiting'")
        assert len(waiting) == 5
        assert {row["view"] for row in waiting} == {"tally"}
        assert "Anna" not in str(waiting)
        assert await leftovers(log) == []
        # Given up, it is not met again.
        await log.pool.execute(
            "update parked set status = 'discarded', discard_reason = 'x' where behind is null"
        )
        await rebuild(log.database_url, log.servers, picky)
        assert await times(log) == 98
        assert await log.pool.fetchval("select count(*) from parked where status = 'waiting'") == 0
        assert await log.pool.fetchval("select sum(parked) from projection_position") == 0


async def test_given_two_processes_when_they_share_the_units_then_each_is_filled_once(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = tally(log)
    await followed(log, view)
    filled: list[tuple[int, Any]] = []
    whole = fill._copy

    async def slowly(build: Any, connection: Any, topic: str, partition: int, fence: int) -> Any:
        place = await whole(build, connection, topic, partition, fence)
        filled.append((partition, asyncio.current_task()))

        async def two_at_work() -> bool:
            return len({task for _, task in filled}) > 1

        await until(two_at_work)
        return place

    monkeypatch.setattr(fill, "_copy", slowly)

    async def helper() -> None:
        await help_filling(log.database_url, log.servers, view)

    assert (await rebuild(log.database_url, log.servers, view, [helper])).comparison.equal
    assert sorted(partition for partition, _ in filled) == [0, 1, 2]


async def test_given_more_records_than_fit_when_filled_then_in_ranges_of_keys(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "RANGE_RECORDS", 10)
    folded: list[int] = []

    def fold(history: Any) -> Rows:
        folded.append(len({r.event.subject for r in history}))
        return rows(history)

    view = replace(tally(log), bulk=Bulk(fold))
    await followed(log, view)
    assert (await rebuild(log.database_url, log.servers, view)).comparison.equal
    assert sum(folded) == 10
    assert len(folded) > 3
