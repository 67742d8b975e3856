"""When does a booking succeed, and when is it refused?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from booking.book_appointment.decide import BOOK_APPOINTMENT, BookAppointment
from booking.rules.booking_limit import LIMIT, BookingLimit
from booking.rules.free_time import PatientBusy, SlotTaken
from booking.rules.offer import SlotInPast, SlotUnknown
from booking.rules.own_holds import HoldExpired
from booking.rules.service_terms import ModeNotOffered, ReferralRequired
from booking.rules.wanted_slot import WantedSlot
from portal_chassis.capabilities import LevelTooLow
from portal_events.base import Event
from portal_events.booking import Mode, Source, Visit
from portal_events.identity import Level
from portal_events.sensitive import Plain
from portal_events.testing import ANNA, JAN, cancelled, moved, opened, released, service, visit
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
    OTHER_HOLD,
    OTHER_VISIT,
    SERVICE,
    SLOT,
    THERE,
    VISIT,
    booked,
    held,
    wanted,
)


def book(chosen: Visit = SLOT, patient: UUID = ANNA, **more: Any) -> BookAppointment:
    command = BookAppointment(
        appointment_id=VISIT,
        patient_id=patient,
        slot=wanted(chosen),
        level=Level.BASIC,
        now=NOW,
    )
    return replace(command, **more)


AHEAD = [booked(visit(NOW + timedelta(days=30 + n)), appointment_id=UUID(int=700 + n)) for n in range(LIMIT)]
ELSEWHERE = visit(AT_17 + 15 * MINUTE, doctor_id=OTHER_DOCTOR)
JANS = booked(SLOT, JAN, appointment_id=OTHER_VISIT)


def test_given_the_offer_when_booked_then_the_patient_has_it_as_offered() -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED).when(book()).then(booked(SLOT))


def test_given_a_reason_when_booked_then_the_event_carries_it() -> None:
    reason = Plain("Ból zęba 🦷")
    expected = booked(SLOT).model_copy(update={"reason": reason})
    given(BOOK_APPOINTMENT, SERVICE, OPENED).when(book(reason=reason)).then(expected)


def test_given_the_way_in_which_it_is_offered_when_booked_so_then_booked() -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED).when(book(mode=Mode.IN_PERSON)).then(booked(SLOT))


def test_given_another_way_when_booked_then_refused_as_not_offered() -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED).when(book(mode=Mode.VIDEO)).then_refused(ModeNotOffered)


def test_given_the_patient_has_the_slot_when_booked_again_then_nothing() -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED, booked(SLOT)).when(book()).then_nothing()


def test_given_the_patient_moved_to_the_slot_when_booked_again_then_nothing() -> None:
    history = (booked(NEXT), moved(booked(NEXT), SLOT))
    given(BOOK_APPOINTMENT, SERVICE, OPENED, *history).when(book()).then_nothing()


@pytest.mark.parametrize(
    "more",
    [
        {"hold_id": OTHER_HOLD},
        {"now": AT_17 + MINUTE},
        {"mode": Mode.VIDEO},
    ],
)
def test_given_the_patient_has_the_slot_when_booked_in_whatever_way_then_nothing(
    more: dict[str, Any],
) -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED, booked(SLOT), *AHEAD).when(book(**more)).then_nothing()


def test_given_no_offer_when_booked_then_refused_as_unknown() -> None:
    given(BOOK_APPOINTMENT, SERVICE, opened(NEXT)).when(book()).then_refused(SlotUnknown)


def test_given_no_service_when_booked_then_refused_as_unknown() -> None:
    given(BOOK_APPOINTMENT, OPENED).when(book()).then_refused(SlotUnknown)


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(wanted(SLOT), starts_at=AT_17 + MINUTE),
        replace(wanted(SLOT), minutes=15),
        replace(wanted(SLOT), service_id=HYGIENIST),
    ],
)
def test_given_an_offer_elsewhere_than_looked_for_when_booked_then_refused_as_unknown(
    elsewhere: WantedSlot,
) -> None:
    facts = (service(service_id=elsewhere.service_id), OPENED)
    given(BOOK_APPOINTMENT, *facts).when(book(slot=elsewhere)).then_refused(SlotUnknown)


def test_given_a_visit_that_begins_now_when_booked_then_refused_as_past() -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED).when(book(now=AT_17)).then_refused(SlotInPast)
    before = AT_17 - timedelta(microseconds=1)
    given(BOOK_APPOINTMENT, SERVICE, OPENED).when(book(now=before)).then(booked(SLOT))


def test_given_a_service_of_the_full_level_when_booked_then_only_a_full_account_has_it() -> None:
    facts = (service(levels=(Level.FULL,)), OPENED)
    given(BOOK_APPOINTMENT, *facts).when(book()).then_refused(LevelTooLow)
    given(BOOK_APPOINTMENT, *facts).when(book(level=Level.FULL)).then(booked(SLOT))


def test_given_a_service_that_needs_a_referral_when_booked_then_refused() -> None:
    facts = (service(referral_required=True), OPENED)
    for more in ({}, {"level": Level.FULL}, {"source": Source.DESK}):
        given(BOOK_APPOINTMENT, *facts).when(book(**more)).then_refused(ReferralRequired)


def test_given_anothers_booking_when_booked_then_refused_as_taken() -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED, JANS).when(book()).then_refused(SlotTaken)


def test_given_the_doctor_is_booked_at_another_address_when_booked_then_refused_as_taken() -> None:
    there = booked(THERE, JAN, appointment_id=OTHER_VISIT)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, there).when(book()).then_refused(SlotTaken)


def test_given_a_booking_that_reaches_into_the_slot_when_booked_then_refused_as_taken() -> None:
    long = visit(AT_17 - 30 * MINUTE, minutes=31)
    facts = (SERVICE, opened(SLOT, long), booked(long, JAN))
    given(BOOK_APPOINTMENT, *facts).when(book()).then_refused(SlotTaken)


def test_given_a_booking_over_midnight_when_the_next_day_is_booked_then_refused_as_taken() -> None:
    before = visit(datetime(2026, 11, 2, 22, 30, tzinfo=UTC), minutes=60)  # 23:30 to 00:30 in Warsaw
    after = visit(datetime(2026, 11, 2, 23, tzinfo=UTC))
    facts = (SERVICE, opened(before, after), booked(before, JAN))
    given(BOOK_APPOINTMENT, *facts).when(book(after)).then_refused(SlotTaken)


def test_given_bookings_beside_it_when_booked_then_adjacent_visits_do_not_overlap() -> None:
    before = visit(AT_17 - 30 * MINUTE)
    beside = (booked(before, JAN), booked(NEXT, appointment_id=OTHER_VISIT))
    given(BOOK_APPOINTMENT, SERVICE, opened(before, SLOT, NEXT), *beside).when(book()).then(booked(SLOT))


def test_given_a_cancelled_booking_when_booked_then_its_time_is_free() -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED, JANS, cancelled(JANS)).when(book()).then(booked(SLOT))


def test_given_ones_own_cancelled_booking_when_booked_again_then_booked_anew() -> None:
    annas = booked(SLOT, appointment_id=OTHER_VISIT)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, annas, cancelled(annas)).when(book()).then(booked(SLOT))


def test_given_a_visit_that_moved_away_when_booked_then_its_old_time_is_free_and_its_new_one_is_not() -> None:
    history = (JANS, moved(JANS, NEXT))
    given(BOOK_APPOINTMENT, SERVICE, OPENED, *history).when(book()).then(booked(SLOT))
    given(BOOK_APPOINTMENT, SERVICE, OPENED, *history).when(book(NEXT)).then_refused(SlotTaken)


def test_given_a_visit_that_came_from_another_day_when_booked_then_refused_as_taken() -> None:
    elsewhere = visit(AT_17 - timedelta(days=7), doctor_id=OTHER_DOCTOR)
    arrived = moved(booked(elsewhere, JAN, appointment_id=OTHER_VISIT), SLOT)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, arrived).when(book()).then_refused(SlotTaken)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, arrived, cancelled(arrived)).when(book()).then(booked(SLOT))


def test_given_a_visit_to_another_doctor_when_booked_then_refused_as_busy() -> None:
    elsewhere = booked(ELSEWHERE, appointment_id=OTHER_VISIT)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, elsewhere).when(book()).then_refused(PatientBusy)


def test_given_the_desk_booked_a_visit_elsewhere_when_booked_then_refused_as_busy() -> None:
    desks = booked(ELSEWHERE, appointment_id=OTHER_VISIT, source=Source.DESK)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, desks).when(book()).then_refused(PatientBusy)


def test_given_anothers_hold_when_booked_at_either_address_then_refused_as_taken() -> None:
    for chosen in (SLOT, THERE):
        given(BOOK_APPOINTMENT, SERVICE, OPENED, held(SLOT, JAN)).when(book(chosen)).then_refused(SlotTaken)


def test_given_anothers_hold_that_has_lapsed_when_booked_then_booked() -> None:
    lapsed = held(SLOT, JAN, expires_at=NOW)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, lapsed).when(book()).then(booked(SLOT))
    live = held(SLOT, JAN, expires_at=NOW + timedelta(microseconds=1))
    given(BOOK_APPOINTMENT, SERVICE, OPENED, live).when(book()).then_refused(SlotTaken)


def test_given_anothers_hold_that_was_given_back_when_booked_then_booked() -> None:
    jans = held(SLOT, JAN)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, jans, released(jans)).when(book()).then(booked(SLOT))


def test_given_anothers_hold_beside_it_when_booked_then_booked() -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED, held(NEXT, JAN)).when(book()).then(booked(SLOT))


@pytest.mark.parametrize("hold_id", [HOLD, None])
def test_given_ones_own_hold_when_booked_then_it_ends_with_it(hold_id: UUID | None) -> None:
    command = book(hold_id=hold_id)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, held(SLOT)).when(command).then(booked(SLOT, hold_id=HOLD))


def test_given_ones_own_hold_of_the_other_address_when_booked_then_it_is_in_nobodys_way_and_stays() -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED, held(THERE)).when(book()).then(booked(SLOT))


def test_given_ones_own_hold_that_has_lapsed_when_booked_without_it_then_booked() -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED, held(SLOT, expires_at=NOW)).when(book()).then(booked(SLOT))


LAPSED: dict[str, tuple[Event, ...]] = {
    "never was": (),
    "by the clock": (held(SLOT, expires_at=NOW),),
    "given back": (held(SLOT), released(held(SLOT))),
    "on another slot": (held(NEXT),),
    "anothers": (held(SLOT, JAN),),
    "used": (held(SLOT), booked(SLOT, hold_id=HOLD), cancelled(booked(SLOT))),
    "lapsed and taken": (held(SLOT, expires_at=NOW), JANS),
    "another hold on the slot": (held(SLOT, hold_id=OTHER_HOLD),),
}


@pytest.mark.parametrize("history", LAPSED.values(), ids=LAPSED)
def test_given_no_live_hold_of_that_id_on_the_slot_when_booked_by_it_then_refused_as_expired(
    history: tuple[Event, ...],
) -> None:
    command = book(hold_id=HOLD)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, *history).when(command).then_refused(HoldExpired)


def test_given_many_refusals_when_booked_then_the_first_to_help_is_said() -> None:
    """Each step mends what was refused before."""
    dear = service(levels=(Level.FULL,), referral_required=True)
    everything = (dear, OPENED, JANS, booked(ELSEWHERE), *AHEAD)
    wrong: dict[str, Any] = {"hold_id": HOLD, "now": AT_17, "mode": Mode.VIDEO}
    for refusal, mended in (
        (HoldExpired, {"hold_id": None}),
        (SlotInPast, {"now": NOW}),
        (ModeNotOffered, {"mode": None}),
        (LevelTooLow, {"level": Level.FULL}),
    ):
        given(BOOK_APPOINTMENT, *everything).when(book(**wrong)).then_refused(refusal)
        wrong |= mended
    given(BOOK_APPOINTMENT, *everything).when(book(**wrong)).then_refused(ReferralRequired)
    given(BOOK_APPOINTMENT, SERVICE, *everything[1:]).when(book()).then_refused(SlotTaken)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, *everything[3:]).when(book()).then_refused(PatientBusy)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, *AHEAD).when(book()).then_refused(BookingLimit)


def test_given_ten_visits_ahead_when_booked_then_refused_for_the_limit_but_at_the_full_level() -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED, *AHEAD).when(book()).then_refused(BookingLimit)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, *AHEAD).when(book(level=Level.FULL)).then(booked(SLOT))


ANNAS = booked(LATER, appointment_id=OTHER_VISIT)
NOT_COUNTED: dict[str, tuple[Event, ...]] = {
    "begun": (booked(visit(NOW), appointment_id=OTHER_VISIT),),
    "cancelled": (ANNAS, cancelled(ANNAS)),
    "the desk's": (booked(LATER, appointment_id=OTHER_VISIT, source=Source.DESK),),
    "another's": (booked(LATER, JAN, appointment_id=OTHER_VISIT),),
    "only held": (held(LATER),),
}


@pytest.mark.parametrize("history", NOT_COUNTED.values(), ids=NOT_COUNTED)
def test_given_nine_visits_ahead_and_one_that_does_not_count_when_booked_then_there_is_room(
    history: tuple[Event, ...],
) -> None:
    given(BOOK_APPOINTMENT, SERVICE, OPENED, *AHEAD[1:], *history).when(book()).then(booked(SLOT))


def test_given_nine_visits_ahead_and_one_moved_ahead_when_booked_then_refused_for_the_limit() -> None:
    past = booked(visit(NOW - timedelta(days=1)), appointment_id=OTHER_VISIT)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, *AHEAD[1:], past, moved(past, LATER)).when(book()).then_refused(
        BookingLimit
    )


def test_given_a_full_calendar_of_a_basic_account_when_the_desk_books_then_booked_by_the_desk() -> None:
    facts = (service(levels=(Level.FULL,)), OPENED, *AHEAD)
    command = book(source=Source.DESK)
    given(BOOK_APPOINTMENT, *facts).when(command).then(booked(SLOT, source=Source.DESK))


def test_given_a_taken_slot_when_the_desk_books_then_refused_as_everybody() -> None:
    command = book(source=Source.DESK)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, JANS).when(command).then_refused(SlotTaken)
    given(BOOK_APPOINTMENT, SERVICE, OPENED, held(SLOT, JAN)).when(command).then_refused(SlotTaken)
