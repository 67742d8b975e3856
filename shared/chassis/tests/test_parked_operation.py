"""What does an operator see of parked events, and what is refused with which exit code?"""

import argparse
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from portal_chassis.operations.operation import Operated, OperationError
from portal_chassis.operations.parked import PARKED
from portal_eventstore.testing.poison import PERSON, Poisoned, poisoned, spoil_json
from portal_eventstore.view import View, view_of

pytestmark = pytest.mark.connected

ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture
async def topic(log_url: str) -> AsyncIterator[Poisoned]:
    async with poisoned(log_url) as topic:
        for number in range(3):
            topic.add(ONE, number)
        topic.add(OTHER, 0, spoil_json)
        topic.refused.add(1)
        await topic.consume()
        yield topic


async def _run(topic: Poisoned, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    PARKED.arguments(parser)
    operated = _operated(topic.log.database_url, view_of(topic.projection))
    return await PARKED.run(operated, parser.parse_args(arguments))


def _operated(log_url: str, *views: View[Any]) -> Operated:
    return Operated("clinic", log_url, "127.0.0.1:1", views, False, ())


async def _numbers(topic: Poisoned) -> dict[int, int]:
    return {row["position"]: row["number"] for row in await topic.parked()}


async def test_given_parked_records_when_listed_then_a_line_a_key_says_what_and_why(
    topic: Poisoned, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = await _numbers(topic)
    assert await _run(topic, "list") == 0
    first, heads, *lines = capsys.readouterr().out.splitlines()
    assert first == "clinic: 4 records of 2 keys wait"
    assert heads.split()[1:4] == ["NUMBER", "VIEW", "TYPE"]
    told = {int(line.split()[1]): line for line in lines}
    assert set(told) == {numbers[1], numbers[4]}
    assert "ValueError at refuse" in told[numbers[1]]
    assert "json_invalid" in told[numbers[4]]
    with pytest.raises(OperationError, match="clinic has no view timeline; its views: effects"):
        await _run(topic, "list", "--view", "timeline")


async def test_given_a_record_when_shown_then_all_is_told_but_what_it_holds(
    topic: Poisoned, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = await _numbers(topic)
    for position in (1, 2, 4):
        assert await _run(topic, "show", str(numbers[position])) == 0
    out = capsys.readouterr().out
    assert f"status      waiting behind {numbers[1]}" in out
    assert f"key         {ONE}" in out
    assert "testing/poison.py:" in out
    assert not any(part in out for part in PERSON.split())
    with pytest.raises(OperationError, match="no parked record has the number 4711"):
        await _run(topic, "show", "4711")


async def test_given_one_key_is_mended_when_all_is_replayed_then_the_other_is_told_with_exit_code_1(
    topic: Poisoned, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = await _numbers(topic)
    topic.refused.clear()
    assert await _run(topic, "replay", "--all") == 1
    out = capsys.readouterr().out
    assert "clinic: applied 3 records" in out
    assert f"clinic: {numbers[4]} fails again (malformed record" in out
    assert await topic.applied() == [1, 2, 3]
    with pytest.raises(OperationError, match=f"record {numbers[1]} was replayed already"):
        await _run(topic, "replay", str(numbers[1]))
    assert await _run(topic, "discard", str(numbers[4]), "--reason", "never right") == 0
    capsys.readouterr()
    assert await _run(topic, "list") == 0
    assert capsys.readouterr().out == "clinic: nothing is parked\n"
    assert await _run(topic, "replay", "--view", "effects") == 0


async def test_given_a_later_number_when_replayed_then_its_key_is_drained_from_the_first(
    topic: Poisoned, capsys: pytest.CaptureFixture[str]
) -> None:
    topic.refused.clear()
    assert await _run(topic, "replay", str((await _numbers(topic))[3])) == 0
    assert "applied 3 records" in capsys.readouterr().out
    assert await topic.applied() == [1, 2, 3]


@pytest.mark.parametrize(
    "arguments",
    [("replay",), ("replay", "1", "--all"), ("discard", "1"), ("show",), ("show", "one"), ("mend",), ()],
)
async def test_given_it_is_not_said_what_then_nothing_is_done(topic: Poisoned, arguments: Any) -> None:
    with pytest.raises(SystemExit) as refused:
        await _run(topic, *arguments)
    assert refused.value.code == 2


async def test_given_the_database_is_away_then_the_refusal_says_so_without_its_text() -> None:
    options = argparse.Namespace(action="list", view=None)
    with pytest.raises(OperationError, match="nothing was changed") as refused:
        await PARKED.run(_operated("postgresql://nobody:secret@127.0.0.1:1/none"), options)
    assert "secret" not in str(refused.value)


async def test_given_a_record_named_by_its_place_when_discarded_then_only_a_view_that_stopped_there_takes_it(
    topic: Poisoned,
) -> None:
    place = f"{topic.log.topic}/0@0"
    with pytest.raises(SystemExit):
        await _run(topic, "discard", "--record", place, "--reason", "garbage")
    with pytest.raises(OperationError, match="puts aside what it cannot apply"):
        await _run(topic, "discard", "--record", f"effects:{place}", "--reason", "garbage")
