"""When may a patient take a slot?

A slot is an offer. What must never overlap is the doctor's time and the patient's time, others' holds keep
the doctor's time, and nobody has more visits ahead than the level allows: all of it is decided on the facts
themselves, never on a view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from booking.rules.booking_limit import require_room
from booking.rules.calendar import Calendar, boundary_of, evolve, own_visits
from booking.rules.free_time import require_free_time
from booking.rules.offer import SlotUnknown, offered, require_ahead
from booking.rules.own_holds import hold_to_end
from booking.rules.service_terms import ModeNotOffered, require_level, require_no_referral
from booking.rules.wanted_slot import WantedSlot
from portal_events.base import Event
from portal_events.booking import AppointmentBooked, Mode, ServiceAdded, Source
from portal_events.identity import Level
from portal_events.sensitive import Plain
from portal_eventstore.decision import Criterion, Decision, about


@dataclass(frozen=True, slots=True, kw_only=True)
class BookAppointment:
    """Take a slot. `hold_id`, `mode`: what the patient relies on, where it was said.

    A desk (`source`) is bound by neither the account's level nor its limit.
    """

    appointment_id: UUID
    patient_id: UUID
    slot: WantedSlot
    level: Level
    now: datetime
    source: Source = Source.PORTAL
    hold_id: UUID | None = None
    mode: Mode | None = None
    reason: Plain | None = None


def boundary(command: BookAppointment) -> Sequence[Criterion]:
    """Select the doctor's days that the visit touches, the patient's visits and holds, and the service."""
    return [
        *boundary_of(command.patient_id, command.slot),
        about(f"service:{command.slot.service_id}", (ServiceAdded,)),
    ]


def decide(command: BookAppointment, calendar: Calendar) -> list[Event]:
    """Return [AppointmentBooked], or [] when this patient already has this slot."""
    if visit_in(calendar, patient_id=command.patient_id, slot_id=command.slot.slot_id):
        return []
    slot, zone = offered(calendar, command.slot)
    if calendar.service is None:
        raise SlotUnknown
    hold_id = hold_to_end(calendar, command.patient_id, slot.slot_id, command.hold_id, command.now)
    require_ahead(slot, command.now)
    if command.mode not in (None, slot.mode):
        raise ModeNotOffered
    if command.source is Source.PORTAL:
        require_level(calendar.service, command.level)
    require_no_referral(calendar.service)
    require_free_time(calendar, command.slot, command.patient_id, command.now)
    if command.source is Source.PORTAL:
        require_room(own_visits(calendar, command.patient_id), command.level, command.now)
    return [
        AppointmentBooked(
            appointment_id=command.appointment_id,
            slot_id=slot.slot_id,
            patient_id=command.patient_id,
            doctor_id=command.slot.doctor_id,
            service_id=slot.service_id,
            facility_id=slot.facility_id,
            mode=slot.mode,
            starts_at=slot.starts_at,
            minutes=slot.minutes,
            zone=zone,
            source=command.source,
            hold_id=hold_id,
            reason=command.reason,
        )
    ]


def visit_in(calendar: Calendar, *, patient_id: UUID, slot_id: UUID) -> AppointmentBooked | None:
    """Return the visit by which this patient already has this slot."""
    own = (visit for visit in own_visits(calendar, patient_id) if visit.slot_id == slot_id)
    return next(own, None)


BOOK_APPOINTMENT = Decision(boundary=boundary, initial=Calendar(), evolve=evolve, decide=decide)
