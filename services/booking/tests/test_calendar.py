"""Can any order of holds, bookings, moves and cancellations put anybody in two places, or break a limit?"""

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from booking.book_appointment.decide import BOOK_APPOINTMENT, BookAppointment
from booking.cancel_appointment.decide import CANCEL_APPOINTMENT, CancelAppointment
from booking.hold_slot.decide import HOLD_SLOT, MOST, HoldSlot
from booking.move_appointment.decide import MOVE_APPOINTMENT, MoveAppointment
from booking.release_hold.decide import RELEASE_HOLD, ReleaseHold
from booking.rules.booking_limit import LIMIT
from portal_events.base import Event
from portal_events.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMoved,
    HoldReleased,
    SlotHeld,
    Visit,
)
from portal_events.identity import Level
from portal_events.testing import ANNA, DOCTOR, JAN, OCHOTA, opened, taken_by, visit
from portal_eventstore.decision import Decision, Refusal

from .facts import AT_17, MOKOTOW, OTHER_DOCTOR, SERVICE, decided, wanted

OFFERS = {
    doctor: tuple(
        visit(AT_17 + timedelta(minutes=10 * n), minutes=minutes, facility_id=facility, doctor_id=doctor)
        for n in range(60)
        for minutes, facility in [(15 + 5 * (n % 4), OCHOTA if n % 2 else MOKOTOW)]
    )
    for doctor in (DOCTOR, OTHER_DOCTOR)
}


class Ledger:
    """What the events say, told again in the simplest way: who is where, and what is kept for whom."""

    def __init__(self) -> None:
        self.log: list[Event] = [SERVICE, *(opened(*day) for day in OFFERS.values())]
        self.visits: dict[UUID, tuple[UUID, Visit]] = {}
        self.holds: dict[UUID, SlotHeld] = {}

    def add(self, event: Event) -> None:
        self.log.append(event)
        if isinstance(event, AppointmentBooked | AppointmentMoved | HoldReleased):
            self.holds.pop(event.hold_id or UUID(int=0), None)
        match event:
            case AppointmentBooked():
                self.visits[event.appointment_id] = (event.patient_id, taken_by(event))
            case AppointmentMoved():
                assert self.visits[event.appointment_id][1] == event.before
                self.visits[event.appointment_id] = (event.patient_id, event.after)
            case AppointmentCancelled():
                assert self.visits.pop(event.appointment_id)[1] == event.visit
            case SlotHeld():
                self.holds[event.hold_id] = event

    def check(self, now: datetime) -> None:
        calendars: dict[UUID, list[tuple[datetime, datetime]]] = defaultdict(list)
        for patient, place in self.visits.values():
            calendars[place.doctor_id].append(_interval(place))
            calendars[patient].append(_interval(place))
        for calendar in calendars.values():
            assert not any(_overlap(one, other) for one, other in combinations(calendar, 2))
        live = [hold for hold in self.holds.values() if hold.expires_at > now]
        for hold in live:
            others = [
                _interval(place)
                for patient, place in self.visits.values()
                if patient != hold.patient_id and place.doctor_id == hold.doctor_id
            ]
            others += [
                _interval(other)
                for other in live
                if other.patient_id != hold.patient_id and other.doctor_id == hold.doctor_id
            ]
            assert not any(_overlap(_interval(hold), other) for other in others)
        for patient in (ANNA, JAN):
            assert sum(hold.patient_id == patient for hold in live) <= MOST
            assert sum(p == patient and place.starts_at > now for p, place in self.visits.values()) <= LIMIT


Attempt = tuple[str, UUID, UUID, int, int, int]

ATTEMPTS = st.lists(
    st.tuples(
        st.sampled_from(["hold", "book", "book", "book", "move", "cancel", "release"]),
        st.sampled_from([ANNA, JAN]),
        st.sampled_from([DOCTOR, OTHER_DOCTOR]),
        st.integers(0, 59),
        st.integers(0, 8),
        st.integers(0, 20),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(ATTEMPTS)
def test_given_any_order_of_commands_when_folded_then_no_rule_is_broken(attempts: list[Attempt]) -> None:
    ledger = Ledger()
    now = AT_17 - timedelta(hours=1)
    for number, attempt in enumerate(attempts):
        now += timedelta(minutes=attempt[4])
        decision, command = _command(ledger, attempt, number, now)
        try:
            new = decided(decision, ledger.log, command)
        except Refusal:
            continue
        for event in new:
            ledger.add(event)
        ledger.check(now)


def _command(ledger: Ledger, attempt: Attempt, number: int, now: datetime) -> tuple[Decision[Any, Any], Any]:
    kind, patient, doctor, place, _, pick = attempt
    new, slot_there = UUID(int=10_000 + number), wanted(OFFERS[doctor][place])
    visits = [a for a, (owner, _) in ledger.visits.items() if owner == patient] or [UUID(int=404)]
    holds = [h.hold_id for h in ledger.holds.values() if h.patient_id == patient] or [UUID(int=404)]
    chosen, hold = visits[pick % len(visits)], holds[pick % len(holds)]
    match kind:
        case "hold":
            return HOLD_SLOT, HoldSlot(
                hold_id=new, patient_id=patient, slot=slot_there, level=Level.BASIC, now=now
            )
        case "book":
            return BOOK_APPOINTMENT, BookAppointment(
                appointment_id=new, patient_id=patient, slot=slot_there, level=Level.BASIC, now=now
            )
        case "move":
            return MOVE_APPOINTMENT, MoveAppointment(
                appointment_id=chosen, patient_id=patient, slot=slot_there, now=now, desk_phone=None
            )
        case "cancel":
            return CANCEL_APPOINTMENT, CancelAppointment(
                appointment_id=chosen, patient_id=patient, now=now, desk_phone=None
            )
        case _:
            return RELEASE_HOLD, ReleaseHold(hold_id=hold, patient_id=patient, now=now)


def _interval(place: Visit | SlotHeld) -> tuple[datetime, datetime]:
    return place.starts_at, place.starts_at + timedelta(minutes=place.minutes)


def _overlap(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
