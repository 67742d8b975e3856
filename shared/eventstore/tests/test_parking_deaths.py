"""Is an event that kills its worker found and parked, and no other for its sake?"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from portal_eventstore.consume import ViewConsumption
from portal_eventstore.testing.poison import Poisoned, poisoned

pytestmark = pytest.mark.connected

_DIED = 77
_KILLER = 131
_ALL = 240


@pytest.fixture
async def topic(log_url: str) -> AsyncIterator[Poisoned]:
    async with poisoned(log_url) as topic:
        yield topic


async def _run(topic: Poisoned, where: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("deadly_process.py"))),
        *(topic.log.database_url, topic.log.owner, str(_KILLER), where),
    )
    return await asyncio.wait_for(process.wait(), 60)


@pytest.mark.parametrize("where", ["handle", "read"])
async def test_given_an_event_that_kills_its_worker_then_it_is_parked_unhandled_and_nothing_else(
    topic: Poisoned, where: str
) -> None:
    deaths = 0
    while (code := await _run(topic, where)) == _DIED:
        deaths += 1
        assert deaths <= 6
    assert code == 0
    assert deaths >= 3
    rows = await topic.parked()
    culprit, *later = rows
    assert (culprit["view"], culprit["position"], culprit["deliveries"]) == ("effects", _KILLER, 3)
    assert "its worker died of it 3 times" in culprit["reason"]
    # The key's five later events wait behind it; all others were applied, each once.
    assert [row["key"] for row in later] == [culprit["key"]] * 5
    assert {row["behind"] for row in later} == {culprit["number"]}
    applied = await topic.applied()
    assert sorted([*applied, *(row["position"] for row in rows)]) == list(range(1, _ALL + 1))
    counts = "select view, sum(next_offset), sum(parked) from projection_position group by view order by view"
    seen = [tuple(map(str, row)) for row in await topic.pool.fetch(counts)]
    assert seen == [("effects", str(_ALL), "6"), ("innocent", str(_ALL), "0")]


async def test_given_workers_begin_and_move_on_then_nothing_is_suspected(topic: Poisoned) -> None:
    topic.add(UUID(int=1), 0)
    for _ in range(5):
        await ViewConsumption(topic.pool, topic.view).begin([(topic.log.topic, n) for n in range(4)])
    assert await topic.pool.fetchval("select max(begun) from projection_position") == 5
    await topic.consume()
    partition = next(n for n, lane in topic.records.items() if lane)
    marks = "select begun, deliveries from projection_position where partition = $1"
    assert tuple(await topic.pool.fetchrow(marks, partition)) == (0, 0)
    assert await topic.applied() == [1]


async def test_given_a_suspected_place_and_faults_of_the_moment_then_its_record_is_counted_once(
    topic: Poisoned,
) -> None:
    topic.add(UUID(int=1), 0)
    for _ in range(4):
        await ViewConsumption(topic.pool, topic.view).begin([(topic.log.topic, n) for n in range(4)])
    faults = 4
    counted: set[int] = set()

    async def apply(connection: Any, received: Sequence[Any]) -> None:
        nonlocal faults
        counts = await topic.pool.fetch("select deliveries from projection_position where begun > 0")
        counted.update(row["deliveries"] for row in counts)
        if faults:
            faults -= 1
            raise ConnectionResetError
        await topic.projection.apply(connection, received)

    await topic.consume(replace(topic.view, apply=apply))
    assert max(counted) == 1
    assert await topic.applied() == [1]
    assert await topic.parked() == []


async def test_given_a_suspected_place_then_its_records_are_handled_alone_and_counted_before(
    topic: Poisoned,
) -> None:
    for number in range(3):
        topic.add(UUID(int=1), number)
    for _ in range(2):
        await ViewConsumption(topic.pool, topic.view).begin([(topic.log.topic, n) for n in range(4)])
    handled: list[tuple[int, int]] = []

    async def apply(connection: Any, received: Sequence[Any]) -> None:
        # Seen from another connection: it is committed, and survives what may come.
        count = await topic.pool.fetchval("select max(deliveries) from projection_position")
        handled.append((len(received), count))
        await topic.projection.apply(connection, received)

    await topic.consume(replace(topic.view, apply=apply))
    assert handled == [(1, 1)] * 3
    # What came later comes in batches again.
    for number in range(3, 6):
        topic.add(UUID(int=1), number)
    await topic.consume(replace(topic.view, apply=apply))
    assert handled[3:] == [(3, 0)]
