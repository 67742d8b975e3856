"""When may a patient take a slot?

A slot is an offer. What must never overlap is the doctor's time and the patient's time, and nobody has more
visits ahead than the limit: all three are decided on the bookings themselves, never on a view.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from booking.rules.booking_limit import limit_reached
from booking.rules.time_overlap import overlap
from portal_events.base import Event
from portal_events.booking import AppointmentBooked, DoctorDayOpened, Slot, Source, doctor_days
from portal_events.sensitive import Plain
from portal_eventstore.decision import Conflict, Criterion, Decision, Malformed, NotFound, about


class SlotUnknown(NotFound):
    """No doctor offers it."""

    code = "slot-unknown"
    title = "There is no such slot"


class SlotInPast(Malformed):
    """What has begun cannot be booked any more."""

    code = "slot-in-past"
    title = "This visit has already begun"


class SlotTaken(Conflict):
    """The doctor is booked for some of this time, at this address or at another one."""

    code = "slot-taken"
    title = "Another patient was faster: this slot is taken"


class PatientBusy(Conflict):
    """Nobody can be at two visits at a time."""

    code = "patient-busy"
    title = "You have another visit at this time"


class BookingLimit(Conflict):
    """As many visits ahead as the account's level allows."""

    code = "booking-limit"
    title = "You have as many booked visits as your account allows"


@dataclass(frozen=True, slots=True, kw_only=True)
class BookAppointment:
    """Take a slot. Doctor, start and length say where to look for it; whether it is there, the facts say."""

    appointment_id: UUID
    patient_id: UUID
    slot_id: UUID
    doctor_id: UUID
    starts_at: datetime
    minutes: int
    now: datetime
    reason: Plain | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A slot of a doctor's day."""

    doctor_id: UUID
    zone: str
    slot: Slot


@dataclass(frozen=True, slots=True)
class State:
    """What is offered on the doctor's days, and every booking of the doctor on them or of the patient."""

    offers: tuple[Offer, ...] = ()
    booked: tuple[AppointmentBooked, ...] = ()


def boundary(command: BookAppointment) -> Sequence[Criterion]:
    """Select the doctor's days that the visit touches, and the patient's bookings."""
    days = sorted(doctor_days(command.doctor_id, command.starts_at, command.minutes))
    return [
        *(about(day, (DoctorDayOpened, AppointmentBooked)) for day in days),
        about(f"patient:{command.patient_id}", (AppointmentBooked,)),
    ]


def evolve(state: State, event: Event) -> State:
    """Remember offers and bookings."""
    match event:
        case DoctorDayOpened(doctor_id=doctor_id, zone=zone, slots=slots):
            return replace(state, offers=state.offers + tuple(Offer(doctor_id, zone, s) for s in slots))
        case AppointmentBooked():
            return replace(state, booked=(*state.booked, event))
        case _:
            return state


def decide(command: BookAppointment, state: State) -> list[Event]:
    """Return [AppointmentBooked], or [] when this patient already holds this slot."""
    offer = _offer(command, state)
    if offer.slot.starts_at <= command.now:
        raise SlotInPast
    if held(state, slot_id=command.slot_id, patient_id=command.patient_id):
        return []
    own = [visit for visit in state.booked if visit.patient_id == command.patient_id]
    if any(_clash(offer, visit) for visit in state.booked if visit.doctor_id == offer.doctor_id):
        raise SlotTaken
    if any(_clash(offer, visit) for visit in own):
        raise PatientBusy
    if limit_reached((visit.starts_at for visit in own), command.now):
        raise BookingLimit
    return [
        AppointmentBooked(
            appointment_id=command.appointment_id,
            slot_id=command.slot_id,
            patient_id=command.patient_id,
            doctor_id=offer.doctor_id,
            service_id=offer.slot.service_id,
            facility_id=offer.slot.facility_id,
            mode=offer.slot.mode,
            starts_at=offer.slot.starts_at,
            minutes=offer.slot.minutes,
            zone=offer.zone,
            source=Source.PORTAL,
            reason=command.reason,
        )
    ]


def held(state: State, *, slot_id: UUID, patient_id: UUID) -> AppointmentBooked | None:
    """Return the visit by which this patient already holds this slot."""
    own = (visit for visit in state.booked if (visit.slot_id, visit.patient_id) == (slot_id, patient_id))
    return next(own, None)


def _offer(command: BookAppointment, state: State) -> Offer:
    for offer in state.offers:
        # The boundary is drawn around the command's doctor and time: an offer elsewhere it does not protect.
        place = (offer.doctor_id, offer.slot.starts_at, offer.slot.minutes)
        if offer.slot.slot_id == command.slot_id and place == (
            command.doctor_id,
            command.starts_at,
            command.minutes,
        ):
            return offer
    raise SlotUnknown


def _clash(offer: Offer, visit: AppointmentBooked) -> bool:
    return overlap(offer.slot.starts_at, offer.slot.minutes, visit.starts_at, visit.minutes)


BOOK_APPOINTMENT = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)
