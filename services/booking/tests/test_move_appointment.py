"""When may a visit be moved to another slot?"""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from booking.move_appointment.decide import (
    MOVE_APPOINTMENT,
    AppointmentIsCancelled,
    MoveAppointment,
    ServiceDiffers,
)
from booking.rules.booking_limit import LIMIT
from booking.rules.free_time import PatientBusy, SlotTaken
from booking.rules.offer import SlotInPast, SlotUnknown
from booking.rules.own_appointment import AlreadyStarted, AppointmentUnknown, NotBookedHere
from booking.rules.own_holds import HoldExpired
from portal_events.base import Event
from portal_events.booking import Source, Visit
from portal_events.testing import ANNA, JAN, cancelled, moved, opened, released, visit
from portal_eventstore.spec import given

from .facts import (
    AT_17,
    HOLD,
    HYGIENIST,
    LATER,
    MINUTE,
    NEXT,
    NOW,
    OPENED,
    OTHER_DOCTOR,
    OTHER_VISIT,
    SLOT,
    THERE,
    VISIT,
    booked,
    held,
    wanted,
)

PHONE = "+48221234567"
JANS = booked(NEXT, JAN, appointment_id=OTHER_VISIT)


def move(to: Visit = NEXT, patient: UUID = ANNA, **more: Any) -> MoveAppointment:
    command = MoveAppointment(
        appointment_id=VISIT, patient_id=patient, slot=wanted(to), now=NOW, desk_phone=None
    )
    return replace(command, **more)


def test_given_a_visit_when_moved_then_one_event_frees_the_old_time_and_takes_the_new_one() -> None:
    given(MOVE_APPOINTMENT, OPENED, booked(SLOT)).when(move()).then(moved(booked(SLOT), NEXT))


def test_given_a_visit_that_was_moved_when_moved_on_then_from_where_it_is() -> None:
    history = (booked(SLOT), moved(booked(SLOT), NEXT))
    given(MOVE_APPOINTMENT, OPENED, *history).when(move(LATER)).then(moved(booked(NEXT), LATER))
    given(MOVE_APPOINTMENT, OPENED, *history).when(move(SLOT)).then(moved(booked(NEXT), SLOT))


def test_given_a_visit_when_moved_to_another_doctor_then_the_new_visit_is_as_offered() -> None:
    there = visit(AT_17 + timedelta(days=1), minutes=20, doctor_id=OTHER_DOCTOR)
    given(MOVE_APPOINTMENT, opened(there), booked(SLOT)).when(move(there)).then(moved(booked(SLOT), there))


def test_given_a_visit_when_moved_to_the_time_it_has_at_another_address_then_it_is_not_in_its_own_way() -> (
    None
):
    given(MOVE_APPOINTMENT, OPENED, booked(SLOT)).when(move(THERE)).then(moved(booked(SLOT), THERE))


def test_given_a_visit_when_moved_to_its_own_slot_then_nothing() -> None:
    given(MOVE_APPOINTMENT, OPENED, booked(SLOT)).when(move(SLOT)).then_nothing()
    begun = move(SLOT, now=AT_17)
    given(MOVE_APPOINTMENT, OPENED, booked(SLOT)).when(begun).then_nothing()


def test_given_as_many_visits_as_allowed_when_one_is_moved_then_it_works() -> None:
    ahead = [
        booked(visit(NOW + timedelta(days=30 + n)), appointment_id=UUID(int=700 + n))
        for n in range(LIMIT - 1)
    ]
    history = (OPENED, booked(SLOT), *ahead)
    given(MOVE_APPOINTMENT, *history).when(move()).then(moved(booked(SLOT), NEXT))


def test_given_no_visit_or_anothers_when_moved_then_refused_as_unknown() -> None:
    given(MOVE_APPOINTMENT, OPENED).when(move()).then_refused(AppointmentUnknown)
    given(MOVE_APPOINTMENT, OPENED, booked(SLOT, JAN)).when(move()).then_refused(AppointmentUnknown)


def test_given_a_cancelled_visit_when_moved_then_refused_as_cancelled() -> None:
    history = (booked(SLOT), cancelled(booked(SLOT)))
    for to in (NEXT, SLOT):
        given(MOVE_APPOINTMENT, OPENED, *history).when(move(to)).then_refused(AppointmentIsCancelled)


@pytest.mark.parametrize("to", [wanted(NEXT), None])
def test_given_a_visit_that_the_desk_made_when_moved_then_refused_with_whom_to_call(to: Any) -> None:
    facts = (booked(SLOT, source=Source.DESK),)
    result = given(MOVE_APPOINTMENT, *facts).when(move(slot=to, desk_phone=PHONE))
    result.then_refused(NotBookedHere)
    assert result.refusal is not None
    assert PHONE in str(result.refusal.detail)


@pytest.mark.parametrize("to", [wanted(NEXT), None])
def test_given_a_visit_that_begins_when_moved_then_refused_and_a_moment_before_not(to: Any) -> None:
    given(MOVE_APPOINTMENT, booked(SLOT)).when(move(slot=to, now=AT_17)).then_refused(AlreadyStarted)
    before = move(now=AT_17 - timedelta(microseconds=1))
    given(MOVE_APPOINTMENT, OPENED, booked(SLOT)).when(before).then(moved(booked(SLOT), NEXT))


def test_given_no_offer_when_moved_then_refused_as_unknown() -> None:
    given(MOVE_APPOINTMENT, opened(SLOT), booked(SLOT)).when(move()).then_refused(SlotUnknown)
    given(MOVE_APPOINTMENT, booked(SLOT)).when(move(slot=None)).then_refused(SlotUnknown)


def test_given_a_slot_that_begins_now_when_moved_there_then_refused_as_past() -> None:
    later = booked(LATER)
    given(MOVE_APPOINTMENT, OPENED, later).when(move(SLOT, now=AT_17)).then_refused(SlotInPast)


def test_given_a_slot_of_another_service_when_moved_there_then_refused() -> None:
    other = visit(AT_17 + timedelta(hours=2), service_id=HYGIENIST)
    given(MOVE_APPOINTMENT, opened(SLOT, other), booked(SLOT)).when(move(other)).then_refused(ServiceDiffers)


TAKEN: dict[str, tuple[Event, ...]] = {
    "booked": (JANS,),
    "moved there": (moved(booked(LATER, JAN, appointment_id=OTHER_VISIT), NEXT),),
    "held": (held(NEXT, JAN),),
    "one's own": (booked(NEXT, appointment_id=OTHER_VISIT),),
}


@pytest.mark.parametrize("history", TAKEN.values(), ids=TAKEN)
def test_given_the_doctors_time_is_taken_when_moved_there_then_refused_as_taken(
    history: tuple[Event, ...],
) -> None:
    given(MOVE_APPOINTMENT, OPENED, booked(SLOT), *history).when(move()).then_refused(SlotTaken)


FREE: dict[str, tuple[Event, ...]] = {
    "cancelled": (JANS, cancelled(JANS)),
    "moved away": (JANS, moved(JANS, LATER)),
    "lapsed": (held(NEXT, JAN, expires_at=NOW),),
    "given back": (held(NEXT, JAN), released(held(NEXT, JAN))),
    "one's own hold beside it": (held(LATER),),
}


@pytest.mark.parametrize("history", FREE.values(), ids=FREE)
def test_given_the_doctors_time_is_free_when_moved_there_then_moved(history: tuple[Event, ...]) -> None:
    expected = moved(booked(SLOT), NEXT)
    given(MOVE_APPOINTMENT, OPENED, booked(SLOT), *history).when(move()).then(expected)


def test_given_another_visit_at_that_time_when_moved_there_then_refused_as_busy() -> None:
    elsewhere = booked(
        visit(NEXT.starts_at + 15 * MINUTE, doctor_id=OTHER_DOCTOR), appointment_id=OTHER_VISIT
    )
    given(MOVE_APPOINTMENT, OPENED, booked(SLOT), elsewhere).when(move()).then_refused(PatientBusy)


@pytest.mark.parametrize("hold_id", [HOLD, None])
def test_given_ones_own_hold_when_moved_there_then_it_ends_with_it(hold_id: UUID | None) -> None:
    expected = moved(booked(SLOT), NEXT, hold_id=HOLD)
    command = move(hold_id=hold_id)
    given(MOVE_APPOINTMENT, OPENED, booked(SLOT), held(NEXT)).when(command).then(expected)


LAPSED: dict[str, tuple[Event, ...]] = {
    "never was": (),
    "by the clock": (held(NEXT, expires_at=NOW),),
    "given back": (held(NEXT), released(held(NEXT))),
    "on another slot": (held(LATER),),
    "another's": (held(NEXT, JAN),),
    "lapsed and taken": (held(NEXT, expires_at=NOW), JANS),
}


@pytest.mark.parametrize("history", LAPSED.values(), ids=LAPSED)
def test_given_no_live_hold_of_that_id_on_the_slot_when_moved_by_it_then_refused_as_expired(
    history: tuple[Event, ...],
) -> None:
    command = move(hold_id=HOLD)
    given(MOVE_APPOINTMENT, OPENED, booked(SLOT), *history).when(command).then_refused(HoldExpired)


@pytest.mark.parametrize("made_by", list(Source))
def test_given_a_visit_when_the_desk_moves_it_then_it_may_whoever_made_it(made_by: Source) -> None:
    event = moved(booked(SLOT), NEXT, source=Source.DESK)
    history = (OPENED, booked(SLOT, source=made_by))
    given(MOVE_APPOINTMENT, *history).when(move(source=Source.DESK)).then(event)
