"""When does a patient give a held slot back?"""

from datetime import datetime
from uuid import UUID

import pytest

from booking.release_hold.decide import RELEASE_HOLD, HoldUnknown, ReleaseHold
from portal_events.base import Event
from portal_events.testing import ANNA, JAN, moved, released
from portal_eventstore.spec import given

from .facts import HOLD, MINUTE, NEXT, NOW, OTHER_HOLD, SLOT, booked, held

HELD = held(SLOT)


def release(patient: UUID = ANNA, now: datetime = NOW) -> ReleaseHold:
    return ReleaseHold(hold_id=HOLD, patient_id=patient, now=now)


def test_given_a_live_hold_when_released_then_its_time_is_given_back() -> None:
    given(RELEASE_HOLD, HELD).when(release()).then(released(HELD))


def test_given_no_hold_when_released_then_refused_as_unknown() -> None:
    given(RELEASE_HOLD).when(release()).then_refused(HoldUnknown)


@pytest.mark.parametrize("now", [NOW, NOW + 6 * MINUTE])
def test_given_anothers_hold_when_released_then_refused_as_unknown(now: datetime) -> None:
    given(RELEASE_HOLD, HELD).when(release(JAN, now)).then_refused(HoldUnknown)


OVER: dict[str, tuple[Event, ...]] = {
    "released": (released(HELD),),
    "booked": (booked(SLOT, hold_id=HOLD),),
    "moved to": (booked(NEXT), moved(booked(NEXT), SLOT, hold_id=HOLD)),
}


@pytest.mark.parametrize("end", OVER.values(), ids=OVER)
def test_given_a_hold_that_has_ended_when_released_then_nothing(end: tuple[Event, ...]) -> None:
    given(RELEASE_HOLD, HELD, *end).when(release()).then_nothing()


def test_given_a_hold_that_has_lapsed_when_released_then_nothing() -> None:
    given(RELEASE_HOLD, HELD).when(release(now=HELD.expires_at)).then_nothing()


def test_given_a_booking_by_another_hold_or_none_when_released_then_given_back() -> None:
    others = (booked(NEXT, hold_id=OTHER_HOLD), booked(NEXT))
    given(RELEASE_HOLD, HELD, *others).when(release()).then(released(HELD))
