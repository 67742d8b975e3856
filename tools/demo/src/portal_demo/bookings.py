"""How do the demo's schedule and visits come into booking?

Through its decisions, in the order in which the demo says that it all happened. What touches the same doctor
on the same day, or the same patient, is done one after the other; all else side by side, and so in batches.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from booking.book_appointment.decide import BOOK_APPOINTMENT, BookAppointment
from booking.cancel_appointment.decide import CANCEL_APPOINTMENT, CancelAppointment
from booking.move_appointment.decide import MOVE_APPOINTMENT, MoveAppointment
from booking.open_doctor_day.decide import OPEN_DOCTOR_DAY
from booking.rules.wanted_slot import WantedSlot
from portal_demo.doctors import doctor_id
from portal_demo.history import Booking, History
from portal_demo.network import SERVICES
from portal_demo.registry import ACTOR, DESK, Known
from portal_demo.schedule import DoctorDay, Offer
from portal_events.base import Event
from portal_events.booking import AppointmentBooked, AppointmentCancelled, AppointmentMoved, Source
from portal_events.sensitive import Plain
from portal_eventstore.command import Context
from portal_eventstore.decision import Decision
from portal_eventstore.execute import Decider
from portal_eventstore.store import EventStore

_AT_ONCE: Final = 128
_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and when it was given. `event` is what it adds, and to which appointment."""

    at: datetime
    decision: Decision[Any, Any]
    command: Any
    actor: str
    touches: Collection[str]
    key: bytes | None = None
    event: tuple[str, str] | None = None


def steps(past: History, known: Mapping[str, Known]) -> Iterator[Step]:
    """Yield everything that happened in booking after the network was described."""
    for day in past.days:
        yield _opening(day)
    for booking in past.bookings:
        yield from _story(booking, known[booking.patient])


async def carry_out(some: Iterable[Step], decider: Decider, correlation_id: UUID) -> None:
    """Give the commands in the order of their times, many at once."""
    last: dict[str, asyncio.Task[None]] = {}

    async def give(step: Step, earlier: Collection[asyncio.Task[None]]) -> None:
        await asyncio.gather(*earlier)
        context = Context(time=step.at, actor=step.actor, correlation_id=correlation_id, key=step.key)
        await decider.execute(step.decision, step.command, context)

    waiting = sorted(some, key=attrgetter("at"))
    for begin in range(0, len(waiting), _AT_ONCE):
        # All of them together: the decider takes what waits at the same moment into one append.
        async with asyncio.TaskGroup() as tasks:
            for step in waiting[begin : begin + _AT_ONCE]:
                earlier = {last[name] for name in step.touches if name in last}
                last.update(dict.fromkeys(step.touches, tasks.create_task(give(step, earlier))))
        last.clear()


async def done(store: EventStore) -> set[tuple[str, str]]:
    """Return what has become of which appointments."""
    found: set[tuple[str, str]] = set()
    after = 0
    while page := await store.tail(after, _PAGE):
        found |= {(e.type, tag) for e in page for tag in e.tags if tag.startswith("appointment:")}
        after = page[-1].position
    return found


def _opening(day: DoctorDay) -> Step:
    return Step(day.opened_at, OPEN_DOCTOR_DAY, day.command, ACTOR, [_day(day.doctor, day.day)])


def _story(booking: Booking, who: Known) -> Iterator[Step]:
    """Yield how a visit was booked, and what became of it."""
    first = booking.before or booking.offer
    book = BookAppointment(
        appointment_id=booking.appointment_id,
        patient_id=who.patient_id,
        slot=_wanted(first),
        level=booking.level,
        now=booking.booked_at,
        source=booking.source,
        reason=None if booking.reason is None else Plain(booking.reason),
    )
    yield _step(booking.booked_at, BOOK_APPOINTMENT, book, booking, who, AppointmentBooked)
    if booking.moved_at is not None:
        move = MoveAppointment(
            appointment_id=booking.appointment_id,
            patient_id=who.patient_id,
            slot=_wanted(booking.offer),
            now=booking.moved_at,
            desk_phone=None,
            source=booking.source,
        )
        yield _step(booking.moved_at, MOVE_APPOINTMENT, move, booking, who, AppointmentMoved)
    if booking.cancelled_at is not None:
        cancel = CancelAppointment(
            appointment_id=booking.appointment_id,
            patient_id=who.patient_id,
            now=booking.cancelled_at,
            desk_phone=None,
            source=booking.source,
        )
        yield _step(booking.cancelled_at, CANCEL_APPOINTMENT, cancel, booking, who, AppointmentCancelled)


def _step(
    at: datetime,
    decision: Decision[Any, Any],
    command: object,
    booking: Booking,
    who: Known,
    event: type[Event],
) -> Step:
    return Step(
        at,
        decision,
        command,
        actor=DESK if booking.source is Source.DESK else str(who.account_id),
        touches={booking.patient, *(_day(o.doctor, o.day) for o in (booking.offer, booking.before) if o)},
        key=who.key,
        event=(event.__name__, f"appointment:{booking.appointment_id}"),
    )


def _wanted(offer: Offer) -> WantedSlot:
    return WantedSlot(
        slot_id=offer.slot_id,
        doctor_id=doctor_id(offer.doctor),
        service_id=SERVICES[offer.service].service_id,
        starts_at=offer.starts_at,
        minutes=offer.minutes,
    )


def _day(doctor: str, day: date) -> str:
    return f"{doctor}/{day}"
