"""Do the rules hold when many hold, book, cancel and move at once, on PostgreSQL?"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from booking.book_appointment.decide import BOOK_APPOINTMENT, BookAppointment
from booking.cancel_appointment.decide import CANCEL_APPOINTMENT, CancelAppointment
from booking.hold_slot.decide import HOLD_SLOT, HoldLimit, HoldSlot
from booking.move_appointment.decide import (
    MOVE_APPOINTMENT,
    AppointmentIsCancelled,
    MoveAppointment,
)
from booking.open_doctor_day.decide import OPEN_DOCTOR_DAY, OpenDoctorDay
from booking.release_hold.decide import RELEASE_HOLD, ReleaseHold
from booking.rules.booking_limit import LIMIT, BookingLimit
from booking.rules.calendar import Calendar, evolve
from booking.rules.free_time import SlotTaken
from booking.rules.own_holds import HoldExpired
from booking.rules.wall_clock import Hours
from booking.rules.wanted_slot import WantedSlot
from portal_events.base import Event
from portal_events.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMoved,
    SlotHeld,
)
from portal_events.identity import Level
from portal_events.testing import ANNA, JAN
from portal_eventstore.command import Outcome
from portal_eventstore.decision import Criterion, Decision, Refusal
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.store import Query

from .house import CONTEXT, DAY, DENTIST, MOKOTOW, NOW, NOWAK, OCHOTA, SIX, open_network, session, slot_of

pytestmark = pytest.mark.connected

DECISIONS: Final[dict[type, Decision[Any, Any]]] = {
    HoldSlot: HOLD_SLOT,
    ReleaseHold: RELEASE_HOLD,
    BookAppointment: BOOK_APPOINTMENT,
    CancelAppointment: CANCEL_APPOINTMENT,
    MoveAppointment: MOVE_APPOINTMENT,
}
ROUNDS = 8
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
async def deciders(booking_url: str) -> AsyncIterator[list[Decider]]:
    """Four processes' worth of Deciders on one database with the network open, and a week of Nowak's."""
    stores = [await PostgresStore.connect(booking_url, "booking") for _ in range(4)]
    deciders = [Decider(store) for store in stores]
    await open_network(deciders[0])
    for days in range(1, ROUNDS):
        sessions = tuple(session(facility, Hours(time(18), time(20))) for facility in (OCHOTA, MOKOTOW))
        day = OpenDoctorDay(doctor_id=NOWAK, day=DAY + timedelta(days=days), sessions=sessions)
        await deciders[0].execute(OPEN_DOCTOR_DAY, day, CONTEXT)
    yield deciders
    for decider in deciders:
        await decider.close()
    for store in stores:
        await store.close()


def place(minutes: int = 0, days: int = 0, facility: UUID = OCHOTA) -> WantedSlot:
    starts_at = SIX + timedelta(days=days, minutes=minutes)
    return WantedSlot(
        slot_id=slot_of(starts_at, facility=facility),
        doctor_id=NOWAK,
        service_id=DENTIST,
        starts_at=starts_at,
        minutes=30,
    )


def book(patient: UUID, slot: WantedSlot, hold: UUID | None = None, now: datetime = NOW) -> BookAppointment:
    return BookAppointment(
        appointment_id=uuid7(), patient_id=patient, slot=slot, level=Level.BASIC, now=now, hold_id=hold
    )


def hold(patient: UUID, slot: WantedSlot, now: datetime = NOW) -> HoldSlot:
    return HoldSlot(hold_id=uuid7(), patient_id=patient, slot=slot, level=Level.BASIC, now=now)


def cancel(booked: BookAppointment) -> CancelAppointment:
    return CancelAppointment(
        appointment_id=booked.appointment_id, patient_id=booked.patient_id, now=NOW, desk_phone=None
    )


def move(booked: BookAppointment, slot: WantedSlot) -> MoveAppointment:
    return MoveAppointment(
        appointment_id=booked.appointment_id,
        patient_id=booked.patient_id,
        slot=slot,
        now=NOW,
        desk_phone=None,
    )


async def at_once(deciders: Sequence[Decider], *commands: Any) -> list[Any]:
    """Execute the commands in parallel, spread over the Deciders; return an Outcome or a refusal's class."""

    async def attempt(number: int, command: Any) -> object:
        decider = deciders[number % len(deciders)]
        try:
            return await decider.execute(DECISIONS[type(command)], command, CONTEXT)
        except Refusal as refusal:
            return type(refusal)

    return await asyncio.gather(*(attempt(n, command) for n, command in enumerate(commands)))


async def done(deciders: Sequence[Decider], *commands: Any) -> None:
    """Execute the commands one after another; none may be refused."""
    for command in commands:
        await deciders[0].execute(DECISIONS[type(command)], command, CONTEXT)


def won(answers: Sequence[Any]) -> int:
    return sum(isinstance(answer, Outcome) for answer in answers)


async def log(database_url: str, *tags: str) -> list[Event]:
    """Return the events of any of the tags, in the order of their positions."""
    store = await PostgresStore.connect(database_url, "booking")
    try:
        [found] = await store.load([Query(tuple(Criterion(tag) for tag in tags))])
    finally:
        await store.close()
    return [stored.decode() for stored in found]


async def calendar(database_url: str, *patients: UUID) -> Calendar:
    state = Calendar()
    for event in await log(database_url, *(f"patient:{patient}" for patient in patients)):
        state = evolve(state, event)
    return state


async def test_given_one_slot_when_five_hundred_book_it_at_once_then_one_has_it(
    deciders: list[Decider], booking_url: str
) -> None:
    answers = await at_once(deciders, *(book(UUID(int=1000 + n), place()) for n in range(500)))
    assert Counter(answer for answer in answers if isinstance(answer, type)) == {SlotTaken: 499}
    events = await log(booking_url, f"doctor-day:{NOWAK}:{DAY}")
    assert sum(isinstance(event, AppointmentBooked) for event in events) == 1


async def test_given_one_slot_when_one_patient_taps_often_at_once_then_one_visit_for_all_taps(
    deciders: list[Decider], booking_url: str
) -> None:
    assert won(await at_once(deciders, *(book(ANNA, place()) for _ in range(8)))) == 8
    assert len((await calendar(booking_url, ANNA)).booked) == 1


async def test_given_two_addresses_of_one_time_when_both_are_booked_at_once_then_one_is(
    deciders: list[Decider],
) -> None:
    for days in range(ROUNDS):
        here, there = place(days=days), place(days=days, facility=MOKOTOW)
        answers = await at_once(deciders, book(UUID(int=1000), here), book(UUID(int=2000 + days), there))
        assert (won(answers), answers.count(SlotTaken)) == (1, 1)


async def test_given_one_slot_when_many_hold_it_or_its_other_address_at_once_then_one_does(
    deciders: list[Decider], booking_url: str
) -> None:
    for days in range(ROUNDS):
        here, there = place(days=days), place(days=days, facility=MOKOTOW)
        patients = [UUID(int=1000 * days + n) for n in range(1, 9)]
        answers = await at_once(
            deciders, *(hold(patient, (here, there)[n % 2]) for n, patient in enumerate(patients))
        )
        assert (won(answers), answers.count(SlotTaken)) == (1, 7)
    events = await log(booking_url, f"doctor-day:{NOWAK}:{DAY}")
    assert sum(isinstance(event, SlotHeld) for event in events) == 1


async def test_given_a_slot_when_it_is_held_and_booked_by_others_at_once_then_one_has_it(
    deciders: list[Decider],
) -> None:
    for days in range(ROUNDS):
        slot = place(days=days)
        answers = await at_once(deciders, hold(UUID(int=50 + days), slot), book(ANNA, slot))
        assert (won(answers), answers.count(SlotTaken)) == (1, 1)


async def test_given_a_patient_when_four_slots_are_held_at_once_then_two_are(
    deciders: list[Decider], booking_url: str
) -> None:
    answers = await at_once(deciders, *(hold(ANNA, place(minutes)) for minutes in (0, 30, 60, 90)))
    assert (won(answers), answers.count(HoldLimit)) == (2, 2)
    assert len((await calendar(booking_url, ANNA)).holds) == 2


async def test_given_a_hold_when_it_lapses_while_it_is_confirmed_then_expired_and_another_has_the_slot(
    deciders: list[Decider],
) -> None:
    kept = hold(ANNA, place())
    await done(deciders, kept)
    end = NOW + timedelta(minutes=5)
    late, next_one = book(ANNA, place(), kept.hold_id, end), hold(JAN, place(), end)
    answers = await at_once(deciders, late, next_one)
    assert answers[0] is HoldExpired
    assert isinstance(answers[1], Outcome)


async def test_given_a_hold_when_confirmed_in_its_last_moment_and_held_by_another_then_one_has_the_slot(
    deciders: list[Decider], booking_url: str
) -> None:
    """Clocks of two processes differ: one says that the hold lives, the other that it has lapsed."""
    for days in range(ROUNDS):
        patient, rival = UUID(int=100 + days), UUID(int=200 + days)
        slot, end = place(days=days), NOW + timedelta(minutes=5)
        kept = hold(patient, slot)
        await done(deciders, kept)
        answers = await at_once(
            deciders, book(patient, slot, kept.hold_id, end - MICROSECOND), hold(rival, slot, end)
        )
        assert (won(answers), answers.count(SlotTaken)) == (1, 1)
        booked = (await calendar(booking_url, patient)).booked
        assert len(booked) == isinstance(answers[0], Outcome)


async def test_given_a_hold_when_it_is_confirmed_and_given_back_at_once_then_booked_or_expired(
    deciders: list[Decider], booking_url: str
) -> None:
    for days in range(ROUNDS):
        patient, slot = UUID(int=100 + days), place(days=days)
        kept = hold(patient, slot)
        await done(deciders, kept)
        back = ReleaseHold(hold_id=kept.hold_id, patient_id=patient, now=NOW)
        booked, released = await at_once(deciders, book(patient, slot, kept.hold_id), back)
        assert isinstance(released, Outcome)
        assert isinstance(booked, Outcome) == (released.events == ())
        assert isinstance(booked, Outcome) or booked is HoldExpired
        assert (await calendar(booking_url, patient)).holds == ()


async def test_given_nine_bookings_when_three_more_come_at_once_then_one_fits(
    deciders: list[Decider], booking_url: str
) -> None:
    slots = [place(minutes, days) for days in range(3) for minutes in (0, 30, 60, 90)]
    await done(deciders, *(book(ANNA, slot) for slot in slots[: LIMIT - 1]))
    answers = await at_once(deciders, *(book(ANNA, slot) for slot in slots[LIMIT - 1 :]))
    assert (won(answers), answers.count(BookingLimit)) == (1, 2)
    assert len((await calendar(booking_url, ANNA)).booked) == LIMIT


async def test_given_ten_bookings_when_one_is_cancelled_while_three_more_come_then_never_more_than_ten(
    deciders: list[Decider], booking_url: str
) -> None:
    slots = [place(minutes, days) for days in range(4) for minutes in (0, 30, 60, 90)]
    bookings = [book(ANNA, slot) for slot in slots[:LIMIT]]
    await done(deciders, *bookings)
    more = [book(ANNA, slot) for slot in slots[LIMIT : LIMIT + 3]]
    cancelled, *answers = await at_once(deciders, cancel(bookings[0]), *more)
    assert isinstance(cancelled, Outcome)
    assert won(answers) + answers.count(BookingLimit) == 3
    assert won(answers) <= 1
    assert len((await calendar(booking_url, ANNA)).booked) == LIMIT - 1 + won(answers)


async def test_given_a_visit_when_cancelled_while_another_books_its_time_then_one_order_of_events(
    deciders: list[Decider], booking_url: str
) -> None:
    for days in range(ROUNDS):
        first = book(UUID(int=100 + days), place(days=days))
        await done(deciders, first)
        rival = book(UUID(int=200 + days), place(days=days, facility=MOKOTOW))
        cancelled, booked = await at_once(deciders, cancel(first), rival)
        assert isinstance(cancelled, Outcome)
        events = [type(e) for e in await log(booking_url, f"doctor-day:{NOWAK}:{DAY + timedelta(days=days)}")]
        expected = [AppointmentBooked, AppointmentCancelled]
        if isinstance(booked, Outcome):
            expected.append(AppointmentBooked)
        else:
            assert booked is SlotTaken
        assert events[1:] == expected  # The day's opening comes first.


async def test_given_a_visit_when_cancelled_often_at_once_then_one_cancellation(
    deciders: list[Decider], booking_url: str
) -> None:
    first = book(ANNA, place())
    await done(deciders, first)
    assert won(await at_once(deciders, *(cancel(first) for _ in range(8)))) == 8
    events = await log(booking_url, f"appointment:{first.appointment_id}")
    assert [type(event) for event in events] == [AppointmentBooked, AppointmentCancelled]


async def test_given_a_visit_when_cancelled_and_moved_at_once_then_one_order_of_events(
    deciders: list[Decider], booking_url: str
) -> None:
    for days in range(ROUNDS):
        first = book(UUID(int=100 + days), place(days=days))
        await done(deciders, first)
        cancelled, moved = await at_once(deciders, cancel(first), move(first, place(30, days)))
        assert isinstance(cancelled, Outcome)
        events = await log(booking_url, f"appointment:{first.appointment_id}")
        if isinstance(moved, Outcome):
            [before, between, after] = events
            assert isinstance(between, AppointmentMoved)
        else:
            assert moved is AppointmentIsCancelled
            [before, after] = events
        assert isinstance(before, AppointmentBooked)
        assert isinstance(after, AppointmentCancelled)
        there = place(30, days) if isinstance(moved, Outcome) else place(days=days)
        assert after.visit.slot_id == there.slot_id
        free = [book(UUID(int=300 + days), place(days=days)), book(UUID(int=400 + days), place(30, days))]
        assert won(await at_once(deciders, *free)) == 2


async def test_given_a_visit_when_moved_while_another_books_the_target_then_all_or_nothing(
    deciders: list[Decider], booking_url: str
) -> None:
    for days in range(ROUNDS):
        old, new = place(days=days), place(30, days)
        first, rival = book(UUID(int=100 + days), old), book(UUID(int=200 + days), new)
        await done(deciders, first)
        moved, booked = await at_once(deciders, move(first, new), rival)
        assert sorted([isinstance(moved, Outcome), isinstance(booked, Outcome)]) == [False, True]
        assert SlotTaken in (moved, booked)
        [visit] = (await calendar(booking_url, first.patient_id)).booked
        assert visit.slot_id == (new if isinstance(moved, Outcome) else old).slot_id
        # The old time is free if, and only if, the visit has gone.
        [again] = await at_once(deciders, book(UUID(int=300 + days), old))
        assert isinstance(again, Outcome) == isinstance(moved, Outcome)


async def test_given_a_visit_when_moved_away_while_another_books_its_old_time_then_nobody_overlaps(
    deciders: list[Decider],
) -> None:
    for days in range(ROUNDS):
        old, new = place(days=days), place(30, days)
        first, rival = book(UUID(int=100 + days), old), book(UUID(int=200 + days), old)
        await done(deciders, first)
        moved, booked = await at_once(deciders, move(first, new), rival)
        assert isinstance(moved, Outcome)
        assert isinstance(booked, Outcome) or booked is SlotTaken


async def test_given_two_visits_when_they_change_places_at_once_then_neither_does(
    deciders: list[Decider],
) -> None:
    one, other = book(ANNA, place()), book(JAN, place(30))
    await done(deciders, one, other)
    answers = await at_once(deciders, move(one, place(30)), move(other, place()))
    assert answers == [SlotTaken, SlotTaken]


async def test_given_as_many_visits_as_allowed_when_three_move_to_one_slot_at_once_then_one_does(
    deciders: list[Decider], booking_url: str
) -> None:
    slots = [place(minutes, days) for days in range(3) for minutes in (0, 30, 60, 90)]
    bookings = [book(ANNA, slot) for slot in slots[:LIMIT]]
    await done(deciders, *bookings)
    answers = await at_once(deciders, *(move(first, slots[LIMIT]) for first in bookings[:3]))
    assert (won(answers), answers.count(SlotTaken)) == (1, 2)
    assert len({visit.slot_id for visit in (await calendar(booking_url, ANNA)).booked}) == LIMIT


async def test_given_one_visit_when_moved_to_three_slots_at_once_then_it_is_at_one_and_nowhere_else(
    deciders: list[Decider], booking_url: str
) -> None:
    first = book(ANNA, place())
    await done(deciders, first)
    targets = [place(minutes) for minutes in (30, 60, 90)]
    assert won(await at_once(deciders, *(move(first, slot) for slot in targets))) == 3
    [visit] = (await calendar(booking_url, ANNA)).booked
    free = [slot for slot in (place(), *targets) if slot.slot_id != visit.slot_id]
    assert won(await at_once(deciders, *(book(JAN, slot) for slot in free))) == 3
