"""Does the spec harness fail when it should?"""

from uuid import uuid4

import pytest

from portal_eventstore.decision import Conflict
from portal_eventstore.spec import given
from portal_eventstore.testing.world import TAKE, AlreadyTaken, Take, ThingTaken

COMMAND = Take(uuid4(), uuid4())
MINE = ThingTaken(thing_id=COMMAND.thing_id, person_id=COMMAND.person_id)
THEIRS = ThingTaken(thing_id=COMMAND.thing_id, person_id=uuid4())


def test_given_right_expectations_when_checked_then_pass() -> None:
    given(TAKE).when(COMMAND).then(MINE)
    given(TAKE, MINE).when(COMMAND).then_nothing()
    given(TAKE, THEIRS).when(COMMAND).then_refused(AlreadyTaken)


def test_given_wrong_expectations_when_checked_then_fail() -> None:
    with pytest.raises(AssertionError, match="expected"):
        given(TAKE).when(COMMAND).then(THEIRS)
    with pytest.raises(AssertionError, match="refused as AlreadyTaken"):
        given(TAKE, THEIRS).when(COMMAND).then(MINE)
    with pytest.raises(AssertionError, match="expected the refusal AlreadyTaken"):
        given(TAKE).when(COMMAND).then_refused(AlreadyTaken)
    with pytest.raises(AssertionError, match="refused as AlreadyTaken, expected Conflict"):
        given(TAKE, THEIRS).when(COMMAND).then_refused(Conflict)


def test_given_event_outside_the_boundary_when_checked_then_fails() -> None:
    elsewhere = ThingTaken(thing_id=uuid4(), person_id=COMMAND.person_id)
    with pytest.raises(AssertionError, match="would not have read"):
        given(TAKE, elsewhere).when(COMMAND)
