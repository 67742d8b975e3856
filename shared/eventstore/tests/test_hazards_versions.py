"""Do an old and a new release work side by side? (reliability: mixed versions; rule 12)"""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from portal_eventstore.relay.publish import Relay
from portal_eventstore.testing.kafka_log import Log, effects, following, opened_log
from portal_eventstore.testing.waiting import until

pytestmark = pytest.mark.connected

_SUBJECT = uuid.UUID(int=1)


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=4) as log:
        yield log


async def test_given_a_newer_producer_then_unknown_fields_and_types_are_passed_over(log: Log) -> None:
    events = [log.stored(position, _SUBJECT, position) for position in range(1, 6)]
    wider = events[1].data[:-1] + ',"unit":"metre","parts":[{"name":"first"}]}'
    events[1] = replace(events[1], data=wider)
    events[3] = replace(events[3], type="NotYetInvented", data='{"what":"ever"}')
    async with following(log, effects(log.counted)) as view:
        await log.publish(events)

        async def applied() -> bool:
            return bool(await log.pool.fetchval("select max(last_position) = 5 from projection_position"))

        async def untroubled() -> bool:
            return view.problems() == []

        await until(applied, "the last one is applied")
        await until(untroubled, "the view has no problem")
    rows = await log.pool.fetch("select position from effect order by happened")
    assert [row["position"] for row in rows] == [1, 2, 3, 5]


async def test_given_an_old_and_a_new_release_at_once_then_each_applies_what_the_other_wrote(
    log: Log,
) -> None:
    count = 100
    script = str(Path(__file__).with_name("newer_process.py"))
    arguments = [log.database_url, log.owner, log.servers, str(count), str(2 * count)]
    relay = Relay(database_url=log.database_url, owner=log.owner, bootstrap_servers=log.servers)
    async with following(log, effects(log.counted)) as older:
        await relay.start()
        newer = await asyncio.create_subprocess_exec(
            sys.executable, script, *arguments, stdout=asyncio.subprocess.PIPE
        )
        for number in range(count):
            await log.append(uuid.UUID(int=number % 5), number)
        told, _ = await newer.communicate()
        assert told.decode().strip() == "[]"
        assert older.problems() == []
        await relay.stop()
    rows = await log.pool.fetch("select position, subject from effect order by happened")
    assert len({row["position"] for row in rows}) == len(rows) == 2 * count
    for subject in {row["subject"] for row in rows}:
        of_one = [row["position"] for row in rows if row["subject"] == subject]
        assert of_one == sorted(of_one)
    newer_ones = await log.pool.fetchval("select count(*) from event where data like '%metre%'")
    assert newer_ones == count
