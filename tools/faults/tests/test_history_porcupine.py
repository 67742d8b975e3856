"""Does Porcupine find in clients' answers alone what cannot be put into one order?"""

from __future__ import annotations

import pytest

from portal_faults.history.check import check
from portal_faults.history.history import History
from portal_faults.history.operation import Kind
from portal_faults.history.porcupine import linearizable

from .test_history_check import ANNA, EPOCH, JAN, SLOTS, Story

WITHIN = 30.0


async def illegal(story: Story) -> list[str]:
    """Return the partitions that are not linearizable."""
    history = History(SLOTS, story.operations, EPOCH)
    checked = check(history, story.facts)
    verdict = await linearizable(history, story.facts, checked.timeline, WITHIN)
    if verdict is None:
        pytest.skip("there is no Go here, or no network to fetch Porcupine")
    return sorted(finding.what for finding in verdict.findings)


async def test_given_a_history_in_which_all_is_well_when_searched_then_every_partition_has_an_order() -> None:
    story = Story()
    lost = story.unknown(0, Kind.BOOK, ANNA, slot="a-0", key="k")
    story.happens(lost, appointment="v1")
    story.refused(0.5, Kind.BOOK, JAN, "slot-taken", slot="a-there-0")
    story.ask(2, Kind.BOOK, ANNA, slot="a-0", key="k", result="v1")
    story.unknown(3, Kind.BOOK, JAN, slot="a-15")
    story.refused(4, Kind.BOOK, ANNA, "patient-busy", slot="b-0")
    story.move(5, ANNA, "a-0", "b-0", "v1")
    story.hold(7, JAN, "a-0", "h1", lasts=3)
    story.refused(8, Kind.BOOK, ANNA, "slot-taken", slot="a-there-0")
    story.refused(11, Kind.BOOK, JAN, "hold-expired", slot="a-0", hold="h1")
    story.cancel(12, ANNA, "b-0", "v1")
    story.refused(14, Kind.MOVE, ANNA, "appointment-cancelled", slot="a-60", appointment="v1")
    assert await illegal(story) == []


async def test_given_answers_that_contradict_each_other_when_searched_then_their_partitions_are_named() -> (
    None
):
    story = Story()
    # Two visits of doctor a at a time, acknowledged to two patients.
    story.book(0, ANNA, "a-0", "v1")
    story.book(2, JAN, "a-there-0", "v2")
    # Two visits of a patient at a time.
    story.book(4, ANNA, "b-0", "v3")
    # A refusal for what was given back before it was asked for.
    story.book(6, JAN, "b-300", "v4")
    story.cancel(8, JAN, "b-300", "v4")
    story.refused(10, Kind.BOOK, ANNA, "slot-taken", slot="b-300")
    assert await illegal(story) == [
        "doctor's time from slot a-0",
        "doctor's time from slot b-300",
        "patient anna",
    ]
