"""When may a patient give up a visit?"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from booking.cancel_appointment.decide import CANCEL_APPOINTMENT, CancelAppointment
from booking.rules.own_appointment import AlreadyStarted, AppointmentUnknown, NotBookedHere
from portal_events.booking import Source
from portal_events.testing import ANNA, JAN, cancelled, moved
from portal_eventstore.spec import given

from .facts import AT_17, NEXT, NOW, SLOT, VISIT, booked

PHONE = "+48221234567"


def cancel(patient: UUID = ANNA, now: datetime = NOW, phone: str | None = None) -> CancelAppointment:
    return CancelAppointment(appointment_id=VISIT, patient_id=patient, now=now, desk_phone=phone)


def test_given_a_visit_when_cancelled_then_its_time_is_given_back() -> None:
    given(CANCEL_APPOINTMENT, booked(SLOT)).when(cancel()).then(cancelled(booked(SLOT)))


def test_given_a_visit_that_was_moved_when_cancelled_then_the_new_time_is_given_back() -> None:
    history = (booked(SLOT), moved(booked(SLOT), NEXT))
    given(CANCEL_APPOINTMENT, *history).when(cancel()).then(cancelled(booked(NEXT)))


@pytest.mark.parametrize("now", [NOW, AT_17 + timedelta(hours=1)])
def test_given_a_cancelled_visit_when_cancelled_again_then_nothing(now: datetime) -> None:
    history = (booked(SLOT), cancelled(booked(SLOT)))
    given(CANCEL_APPOINTMENT, *history).when(cancel(now=now)).then_nothing()


def test_given_no_visit_or_anothers_when_cancelled_then_refused_as_unknown() -> None:
    given(CANCEL_APPOINTMENT).when(cancel()).then_refused(AppointmentUnknown)
    given(CANCEL_APPOINTMENT, booked(SLOT, JAN)).when(cancel()).then_refused(AppointmentUnknown)
    history = (booked(SLOT, JAN), cancelled(booked(SLOT, JAN)))
    given(CANCEL_APPOINTMENT, *history).when(cancel()).then_refused(AppointmentUnknown)


def test_given_a_visit_that_begins_when_cancelled_then_refused_and_a_moment_before_not() -> None:
    given(CANCEL_APPOINTMENT, booked(SLOT)).when(cancel(now=AT_17)).then_refused(AlreadyStarted)
    before = AT_17 - timedelta(microseconds=1)
    given(CANCEL_APPOINTMENT, booked(SLOT)).when(cancel(now=before)).then(cancelled(booked(SLOT)))


def test_given_a_visit_that_was_put_off_when_its_first_time_comes_then_it_can_be_cancelled() -> None:
    history = (booked(SLOT), moved(booked(SLOT), NEXT))
    given(CANCEL_APPOINTMENT, *history).when(cancel(now=AT_17)).then(cancelled(booked(NEXT)))


@pytest.mark.parametrize("now", [NOW, AT_17])
def test_given_a_visit_that_the_desk_made_when_cancelled_then_refused_with_whom_to_call(
    now: datetime,
) -> None:
    desks = booked(SLOT, source=Source.DESK)
    result = given(CANCEL_APPOINTMENT, desks).when(cancel(now=now, phone=PHONE))
    result.then_refused(NotBookedHere)
    assert result.refusal is not None
    assert PHONE in str(result.refusal.detail)
    given(CANCEL_APPOINTMENT, desks).when(cancel(now=now)).then_refused(NotBookedHere)


def test_given_a_desks_visit_of_another_patient_when_cancelled_then_refused_as_unknown() -> None:
    desks = booked(SLOT, JAN, source=Source.DESK)
    given(CANCEL_APPOINTMENT, desks).when(cancel(phone=PHONE)).then_refused(AppointmentUnknown)


@pytest.mark.parametrize("made_by", list(Source))
def test_given_a_visit_when_the_desk_cancels_it_then_it_may_whoever_made_it(made_by: Source) -> None:
    command = replace(cancel(), source=Source.DESK)
    event = cancelled(booked(SLOT), source=Source.DESK)
    given(CANCEL_APPOINTMENT, booked(SLOT, source=made_by)).when(command).then(event)
