"""When does a booking succeed, when is it refused, and can any order of bookings break the rules?"""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

from booking.book_appointment.decide import (
    BOOK_APPOINTMENT,
    BookAppointment,
    BookingLimit,
    PatientBusy,
    SlotInPast,
    SlotTaken,
    SlotUnknown,
)
from booking.rules.booking_limit import LIMIT
from portal_events.base import Event
from portal_events.booking import AppointmentBooked, DoctorDayOpened, Mode, Slot, Source
from portal_events.sensitive import Plain
from portal_eventstore.decision import Refusal
from portal_eventstore.spec import given

ANNA, JAN = UUID(int=1), UUID(int=2)
DOCTOR, OTHER_DOCTOR = UUID(int=3), UUID(int=4)
OCHOTA, MOKOTOW, DENTIST = UUID(int=5), UUID(int=6), UUID(int=7)
ZONE = "Europe/Warsaw"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
AT_17 = datetime(2026, 11, 2, 17, tzinfo=UTC)


def slot(number: int, starts_at: datetime, minutes: int = 30, facility: UUID = OCHOTA) -> Slot:
    return Slot(
        slot_id=UUID(int=number),
        service_id=DENTIST,
        facility_id=facility,
        mode=Mode.TELEPHONE,
        starts_at=starts_at,
        minutes=minutes,
    )


def opened(*slots: Slot, doctor: UUID = DOCTOR) -> DoctorDayOpened:
    return DoctorDayOpened(doctor_id=doctor, date=date(2026, 11, 2), zone=ZONE, slots=slots)


def booked(taken: Slot, patient: UUID, *, doctor: UUID = DOCTOR, number: int = 900) -> AppointmentBooked:
    return AppointmentBooked(
        appointment_id=UUID(int=number),
        slot_id=taken.slot_id,
        patient_id=patient,
        doctor_id=doctor,
        service_id=taken.service_id,
        facility_id=taken.facility_id,
        mode=taken.mode,
        starts_at=taken.starts_at,
        minutes=taken.minutes,
        zone=ZONE,
        source=Source.PORTAL,
    )


def book(
    wanted: Slot, patient: UUID = ANNA, *, doctor: UUID = DOCTOR, now: datetime = NOW
) -> BookAppointment:
    return BookAppointment(
        appointment_id=UUID(int=900),
        patient_id=patient,
        slot_id=wanted.slot_id,
        doctor_id=doctor,
        starts_at=wanted.starts_at,
        minutes=wanted.minutes,
        now=now,
    )


SLOT = slot(100, AT_17)
HERE_AND_THERE = (SLOT, slot(101, AT_17, facility=MOKOTOW))
NEXT = slot(102, AT_17 + timedelta(minutes=30))
LATER_VISITS = [slot(200 + n, NOW + timedelta(days=30 + n)) for n in range(LIMIT)]


def test_given_the_offer_when_booked_then_the_patient_has_it_as_offered() -> None:
    given(BOOK_APPOINTMENT, opened(SLOT)).when(book(SLOT)).then(booked(SLOT, ANNA))


def test_given_a_reason_when_booked_then_the_event_carries_it() -> None:
    reason = Plain("Ból zęba \0 🦷")
    expected = booked(SLOT, ANNA).model_copy(update={"reason": reason})
    given(BOOK_APPOINTMENT, opened(SLOT)).when(replace(book(SLOT), reason=reason)).then(expected)


def test_given_the_patient_holds_the_slot_when_booked_again_then_nothing() -> None:
    given(BOOK_APPOINTMENT, opened(SLOT), booked(SLOT, ANNA)).when(book(SLOT)).then_nothing()


def test_given_a_full_calendar_when_a_held_slot_is_booked_again_then_nothing() -> None:
    visits = [booked(visit, ANNA) for visit in LATER_VISITS]
    given(BOOK_APPOINTMENT, opened(SLOT), booked(SLOT, ANNA), *visits).when(book(SLOT)).then_nothing()


def test_given_no_offer_when_booked_then_refused_as_unknown() -> None:
    given(BOOK_APPOINTMENT, opened(NEXT)).when(book(SLOT)).then_refused(SlotUnknown)


@pytest.mark.parametrize(
    "moved",
    [
        replace(book(SLOT), starts_at=AT_17 + timedelta(minutes=1)),
        replace(book(SLOT), minutes=15),
    ],
)
def test_given_an_offer_at_another_time_when_booked_then_refused_as_unknown(moved: BookAppointment) -> None:
    given(BOOK_APPOINTMENT, opened(SLOT)).when(moved).then_refused(SlotUnknown)


def test_given_a_visit_that_begins_now_when_booked_then_refused_as_past() -> None:
    given(BOOK_APPOINTMENT, opened(SLOT)).when(book(SLOT, now=AT_17)).then_refused(SlotInPast)


def test_given_anothers_booking_when_booked_then_refused_as_taken() -> None:
    given(BOOK_APPOINTMENT, opened(SLOT), booked(SLOT, JAN)).when(book(SLOT)).then_refused(SlotTaken)


def test_given_the_doctor_is_booked_at_another_address_when_booked_then_refused_as_taken() -> None:
    here, there = HERE_AND_THERE
    given(BOOK_APPOINTMENT, opened(*HERE_AND_THERE), booked(there, JAN)).when(book(here)).then_refused(
        SlotTaken
    )


def test_given_a_booking_that_reaches_into_the_slot_when_booked_then_refused_as_taken() -> None:
    long = slot(103, AT_17 - timedelta(minutes=30), minutes=31)
    given(BOOK_APPOINTMENT, opened(SLOT, long), booked(long, JAN)).when(book(SLOT)).then_refused(SlotTaken)


def test_given_a_booking_over_midnight_when_the_next_day_is_booked_then_refused_as_taken() -> None:
    before = slot(104, datetime(2026, 11, 2, 22, 30, tzinfo=UTC), minutes=60)  # 23:30 to 00:30 in Warsaw
    after = slot(105, datetime(2026, 11, 2, 23, tzinfo=UTC))
    given(BOOK_APPOINTMENT, opened(before, after), booked(before, JAN)).when(book(after)).then_refused(
        SlotTaken
    )


def test_given_bookings_beside_it_when_booked_then_adjacent_visits_do_not_overlap() -> None:
    before = slot(106, AT_17 - timedelta(minutes=30))
    history = (opened(before, SLOT, NEXT), booked(before, JAN), booked(NEXT, ANNA))
    given(BOOK_APPOINTMENT, *history).when(book(SLOT)).then(booked(SLOT, ANNA))


def test_given_a_visit_to_another_doctor_when_booked_then_refused_as_busy() -> None:
    elsewhere = booked(slot(107, AT_17 + timedelta(minutes=15)), ANNA, doctor=OTHER_DOCTOR)
    given(BOOK_APPOINTMENT, opened(SLOT), elsewhere).when(book(SLOT)).then_refused(PatientBusy)


def test_given_ten_visits_ahead_when_booked_then_refused_for_the_limit() -> None:
    visits = [booked(visit, ANNA) for visit in LATER_VISITS]
    given(BOOK_APPOINTMENT, opened(SLOT), *visits).when(book(SLOT)).then_refused(BookingLimit)


def test_given_nine_visits_ahead_and_one_that_begins_now_when_booked_then_there_is_room() -> None:
    begun = booked(slot(108, NOW), ANNA)
    visits = [booked(visit, ANNA) for visit in LATER_VISITS[1:]]
    given(BOOK_APPOINTMENT, opened(SLOT), begun, *visits).when(book(SLOT)).then(booked(SLOT, ANNA))


OFFERS = {
    doctor: tuple(
        slot(1000 * number + n, AT_17 + timedelta(minutes=10 * n), minutes=minutes, facility=facility)
        for n in range(60)
        for minutes, facility in [(15 + 5 * (n % 4), OCHOTA if n % 2 else MOKOTOW)]
    )
    for number, doctor in ((1, DOCTOR), (2, OTHER_DOCTOR))
}


@settings(max_examples=150, deadline=None)
@any_of(
    st.lists(
        st.tuples(
            st.sampled_from([ANNA, JAN]),
            st.sampled_from([DOCTOR, OTHER_DOCTOR]),
            st.integers(0, 59),
            st.integers(-60, 300),
        ),
        max_size=80,
    )
)
def test_given_any_order_of_bookings_when_folded_then_no_rule_is_broken(
    attempts: list[tuple[UUID, UUID, int, int]],
) -> None:
    log: list[Event] = [opened(*slots, doctor=doctor) for doctor, slots in OFFERS.items()]
    clock = AT_17
    for number, (patient, doctor, wanted, minutes) in enumerate(attempts):
        clock = max(clock, AT_17 + timedelta(minutes=minutes) - timedelta(hours=2))
        command = replace(
            book(OFFERS[doctor][wanted], patient, doctor=doctor, now=clock), appointment_id=UUID(int=number)
        )
        try:
            new = _decided(log, command)
        except Refusal:
            continue
        log += new
        ahead = [e for e in _bookings(log) if e.patient_id == patient and e.starts_at > clock]
        assert len(ahead) <= LIMIT
    _assert_nobody_is_in_two_places(_bookings(log))


def _decided(log: list[Event], command: BookAppointment) -> list[Event]:
    """Decide on what the boundary reads of the log, as the store would."""
    state = BOOK_APPOINTMENT.initial
    criteria = BOOK_APPOINTMENT.boundary(command)
    for event in log:
        if any(c.tag in event.tags() and type(event).__name__ in c.types for c in criteria):
            state = BOOK_APPOINTMENT.evolve(state, event)
    return list(BOOK_APPOINTMENT.decide(command, state))


def _bookings(log: list[Event]) -> list[AppointmentBooked]:
    return [event for event in log if isinstance(event, AppointmentBooked)]


def _assert_nobody_is_in_two_places(visits: list[AppointmentBooked]) -> None:
    calendars: dict[UUID, list[tuple[datetime, datetime]]] = defaultdict(list)
    for visit in visits:
        interval = (visit.starts_at, visit.starts_at + timedelta(minutes=visit.minutes))
        calendars[visit.doctor_id].append(interval)
        calendars[visit.patient_id].append(interval)
    for calendar in calendars.values():
        for (start, end), (other_start, other_end) in combinations(calendar, 2):
            assert end <= other_start or other_end <= start
