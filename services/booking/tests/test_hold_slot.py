"""When is a slot kept for a patient, and when not?"""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from booking.hold_slot.decide import HOLD_SLOT, HoldLimit, HoldSlot
from booking.rules.free_time import PatientBusy, SlotTaken
from booking.rules.offer import SlotInPast, SlotUnknown
from booking.rules.service_terms import ReferralRequired
from portal_chassis.capabilities import LevelTooLow
from portal_events.base import Event
from portal_events.booking import Visit
from portal_events.identity import Level
from portal_events.testing import ANNA, JAN, cancelled, moved, opened, released, service, visit
from portal_eventstore.spec import given

from .facts import (
    AT_17,
    HOLD,
    LATER,
    MINUTE,
    NEXT,
    NOW,
    OPENED,
    OTHER_DOCTOR,
    OTHER_HOLD,
    SERVICE,
    SLOT,
    THERE,
    booked,
    held,
    wanted,
)

MICROSECOND = timedelta(microseconds=1)


def hold(chosen: Visit = SLOT, patient: UUID = ANNA, **more: Any) -> HoldSlot:
    command = HoldSlot(hold_id=HOLD, patient_id=patient, slot=wanted(chosen), level=Level.BASIC, now=NOW)
    return replace(command, **more)


def test_given_the_offer_when_held_then_it_is_kept_for_five_minutes() -> None:
    given(HOLD_SLOT, SERVICE, OPENED).when(hold()).then(held(SLOT, expires_at=NOW + 5 * MINUTE))


def test_given_ones_own_live_hold_when_held_again_then_nothing() -> None:
    given(HOLD_SLOT, SERVICE, OPENED, held(SLOT, hold_id=OTHER_HOLD)).when(hold()).then_nothing()


@pytest.mark.parametrize("late", [timedelta(0), MINUTE])
def test_given_ones_own_hold_that_has_lapsed_when_held_again_then_a_new_one(late: timedelta) -> None:
    lapsed = held(SLOT, hold_id=OTHER_HOLD)
    command = hold(now=lapsed.expires_at + late)
    expected = held(SLOT, expires_at=command.now + 5 * MINUTE)
    given(HOLD_SLOT, SERVICE, OPENED, lapsed).when(command).then(expected)
    almost = hold(now=lapsed.expires_at - MICROSECOND)
    given(HOLD_SLOT, SERVICE, OPENED, lapsed).when(almost).then_nothing()


def test_given_ones_own_hold_that_was_given_back_when_held_again_then_a_new_one() -> None:
    gone = held(SLOT, hold_id=OTHER_HOLD)
    given(HOLD_SLOT, SERVICE, OPENED, gone, released(gone)).when(hold()).then(held(SLOT))


def test_given_no_offer_or_no_service_when_held_then_refused_as_unknown() -> None:
    given(HOLD_SLOT, SERVICE, opened(NEXT)).when(hold()).then_refused(SlotUnknown)
    given(HOLD_SLOT, OPENED).when(hold()).then_refused(SlotUnknown)


def test_given_a_visit_that_begins_now_when_held_then_refused_as_past() -> None:
    given(HOLD_SLOT, SERVICE, OPENED).when(hold(now=AT_17)).then_refused(SlotInPast)


def test_given_a_service_of_the_full_level_when_held_then_only_a_full_account_has_it() -> None:
    facts = (service(levels=(Level.FULL,)), OPENED)
    given(HOLD_SLOT, *facts).when(hold()).then_refused(LevelTooLow)
    given(HOLD_SLOT, *facts).when(hold(level=Level.FULL)).then(held(SLOT))


def test_given_a_service_that_needs_a_referral_when_held_then_refused() -> None:
    given(HOLD_SLOT, service(referral_required=True), OPENED).when(hold()).then_refused(ReferralRequired)


TAKEN: dict[str, tuple[Event, ...]] = {
    "booked": (booked(SLOT, JAN),),
    "booked at another address": (booked(THERE, JAN),),
    "moved there": (moved(booked(NEXT, JAN), SLOT),),
    "held": (held(SLOT, JAN),),
    "held at another address": (held(THERE, JAN),),
    "held until a moment from now": (held(SLOT, JAN, expires_at=NOW + MICROSECOND),),
    "one's own": (booked(SLOT),),
}


@pytest.mark.parametrize("history", TAKEN.values(), ids=TAKEN)
def test_given_the_doctors_time_is_taken_when_held_then_refused_as_taken(history: tuple[Event, ...]) -> None:
    given(HOLD_SLOT, SERVICE, OPENED, *history).when(hold()).then_refused(SlotTaken)


FREE: dict[str, tuple[Event, ...]] = {
    "cancelled": (booked(SLOT, JAN), cancelled(booked(SLOT, JAN))),
    "moved away": (booked(SLOT, JAN), moved(booked(SLOT, JAN), NEXT)),
    "lapsed": (held(SLOT, JAN, expires_at=NOW),),
    "given back": (held(SLOT, JAN), released(held(SLOT, JAN))),
    "used and cancelled": (held(SLOT, JAN), booked(SLOT, JAN, hold_id=HOLD), cancelled(booked(SLOT, JAN))),
    "one's own hold of the other address": (held(THERE, hold_id=OTHER_HOLD),),
    "beside it": (booked(NEXT, JAN), held(LATER, JAN)),
}


@pytest.mark.parametrize("history", FREE.values(), ids=FREE)
def test_given_the_doctors_time_is_free_again_when_held_then_held(history: tuple[Event, ...]) -> None:
    given(HOLD_SLOT, SERVICE, OPENED, *history).when(hold()).then(held(SLOT))


def test_given_a_visit_to_another_doctor_when_held_then_refused_as_busy() -> None:
    elsewhere = booked(visit(AT_17 + 15 * MINUTE, doctor_id=OTHER_DOCTOR))
    given(HOLD_SLOT, SERVICE, OPENED, elsewhere).when(hold()).then_refused(PatientBusy)


def test_given_ones_own_hold_with_another_doctor_when_held_then_it_is_in_nobodys_way() -> None:
    elsewhere = held(visit(AT_17, doctor_id=OTHER_DOCTOR), hold_id=OTHER_HOLD)
    given(HOLD_SLOT, SERVICE, OPENED, elsewhere).when(hold()).then(held(SLOT))


TWO = (held(NEXT, hold_id=OTHER_HOLD), held(LATER, hold_id=UUID(int=802)))


def test_given_two_live_holds_when_a_third_is_wanted_then_refused_for_the_limit() -> None:
    given(HOLD_SLOT, SERVICE, OPENED, *TWO).when(hold()).then_refused(HoldLimit)


def test_given_two_live_holds_when_one_of_them_is_held_again_then_nothing() -> None:
    given(HOLD_SLOT, SERVICE, OPENED, *TWO).when(hold(NEXT)).then_nothing()


ROOM: dict[str, tuple[Event, ...]] = {
    "given back": (released(TWO[0]),),
    "booked": (booked(NEXT, hold_id=OTHER_HOLD),),
    "moved to": (booked(visit(NOW + 90 * MINUTE)), moved(booked(SLOT), NEXT, hold_id=OTHER_HOLD)),
}


@pytest.mark.parametrize("end", ROOM.values(), ids=ROOM)
def test_given_two_holds_of_which_one_has_ended_when_another_is_wanted_then_held(
    end: tuple[Event, ...],
) -> None:
    given(HOLD_SLOT, SERVICE, OPENED, *TWO, *end).when(hold()).then(held(SLOT))


def test_given_two_holds_of_which_one_has_lapsed_when_another_is_wanted_then_held() -> None:
    lapsed = held(NEXT, hold_id=OTHER_HOLD, expires_at=NOW)
    given(HOLD_SLOT, SERVICE, OPENED, lapsed, TWO[1]).when(hold()).then(held(SLOT))
