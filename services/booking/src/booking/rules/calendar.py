"""What is offered, booked and held, as far as a boundary shows it?

One fold for every decision about time. A boundary of a doctor's days and a patient shows all that can stand
in the way there, and everything about the patient's own visits. Of others' visits it may have missed how they
came to these days, or that they went on from a day that is not looked at: neither takes time here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from booking.rules.wanted_slot import WantedSlot
from portal_events.base import Event
from portal_events.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMoved,
    DoctorDayOpened,
    HoldReleased,
    ServiceAdded,
    SlotHeld,
    Visit,
    doctor_days,
)
from portal_eventstore.decision import Criterion, about

_TAKES_TIME = (SlotHeld, HoldReleased, AppointmentBooked, AppointmentMoved, AppointmentCancelled)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Doctors' days, visits as they stand now, visits that will not take place, and holds not given back."""

    days: tuple[DoctorDayOpened, ...] = ()
    service: ServiceAdded | None = None
    booked: tuple[AppointmentBooked, ...] = ()
    cancelled: tuple[AppointmentBooked, ...] = ()
    holds: tuple[SlotHeld, ...] = ()


def boundary_of(patient_id: UUID, wanted: WantedSlot | None) -> list[Criterion]:
    """Select all of the patient's time, and of the doctor's what the wanted slot touches."""
    touched = doctor_days(wanted.doctor_id, wanted.starts_at, wanted.minutes) if wanted else ()
    return [
        about(f"patient:{patient_id}", _TAKES_TIME),
        *(about(day, (DoctorDayOpened, *_TAKES_TIME)) for day in sorted(touched)),
    ]


def evolve(calendar: Calendar, event: Event) -> Calendar:
    """Write down what happened."""
    match event:
        case AppointmentBooked(hold_id=ended):
            booked = (*calendar.booked, event)
        case AppointmentMoved(hold_id=ended):
            booked = _moved(calendar.booked, event)
        case HoldReleased(hold_id=ended):
            booked = calendar.booked
        case AppointmentCancelled(appointment_id=appointment_id):
            return _cancelled(calendar, appointment_id)
        case SlotHeld():
            return replace(calendar, holds=(*calendar.holds, event))
        case DoctorDayOpened():
            return replace(calendar, days=(*calendar.days, event))
        case ServiceAdded():
            return replace(calendar, service=event)
        case _:
            return calendar
    holds = calendar.holds if ended is None else tuple(h for h in calendar.holds if h.hold_id != ended)
    # Written out, since no other state is made as often.
    return Calendar(calendar.days, calendar.service, booked, calendar.cancelled, holds)


def own_visits(calendar: Calendar, patient_id: UUID) -> Iterator[AppointmentBooked]:
    """Return the patient's visits as they stand, the first booked first."""
    return (visit for visit in calendar.booked if visit.patient_id == patient_id)


def same_service(
    visits: Iterator[AppointmentBooked], service_id: UUID, now: datetime, *, besides: UUID | None = None
) -> list[UUID]:
    """Return the appointments ahead, `besides` one, that are for this service: would moving one do?"""
    return [
        visit.appointment_id
        for visit in visits
        if visit.service_id == service_id and visit.starts_at > now and visit.appointment_id != besides
    ]


def visit_of(booked: AppointmentBooked) -> Visit:
    """Return the slot that an appointment takes, as events repeat it."""
    return Visit(
        slot_id=booked.slot_id,
        doctor_id=booked.doctor_id,
        service_id=booked.service_id,
        facility_id=booked.facility_id,
        mode=booked.mode,
        starts_at=booked.starts_at,
        minutes=booked.minutes,
        zone=booked.zone,
    )


def _cancelled(calendar: Calendar, appointment_id: UUID) -> Calendar:
    kept = tuple(visit for visit in calendar.booked if visit.appointment_id != appointment_id)
    gone = tuple(visit for visit in calendar.booked if visit.appointment_id == appointment_id)
    return replace(calendar, booked=kept, cancelled=calendar.cancelled + gone)


def _moved(booked: Sequence[AppointmentBooked], move: AppointmentMoved) -> tuple[AppointmentBooked, ...]:
    """Return the visits with the moved one where it is now, also when it came from a day not looked at."""
    after = dict(move.after)
    for number, visit in enumerate(booked):
        if visit.appointment_id == move.appointment_id:
            return (*booked[:number], visit.model_copy(update=after), *booked[number + 1 :])
    arrived = AppointmentBooked(
        appointment_id=move.appointment_id, patient_id=move.patient_id, source=move.source, **after
    )
    return (*booked, arrived)
