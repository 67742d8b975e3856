"""When may a patient take another slot for a visit that is booked?

One event frees the old time and takes the new one: at no moment has the patient both or neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from booking.rules.calendar import Calendar, boundary_of, evolve, visit_of
from booking.rules.free_time import require_free_time
from booking.rules.offer import SlotUnknown, offered, require_ahead
from booking.rules.own_appointment import own_appointment, require_not_started
from booking.rules.own_holds import hold_to_end
from booking.rules.wanted_slot import WantedSlot
from portal_events.base import Event
from portal_events.booking import AppointmentMoved, Source, Visit
from portal_eventstore.decision import Conflict, Criterion, Decision, Malformed


class AppointmentIsCancelled(Conflict):
    """What will not take place cannot be moved."""

    code = "appointment-cancelled"
    title = "This appointment was cancelled"


class ServiceDiffers(Malformed):
    """Another service is another appointment."""

    code = "service-differs"
    title = "An appointment can only be moved to a slot of the same service"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveAppointment:
    """Take another slot, None where no view knows the one asked for. A desk moves what it made as well.

    `desk_phone`: whom to call about the appointment, where a desk made it.
    """

    appointment_id: UUID
    patient_id: UUID
    slot: WantedSlot | None
    now: datetime
    desk_phone: str | None
    source: Source = Source.PORTAL
    hold_id: UUID | None = None


def boundary(command: MoveAppointment) -> Sequence[Criterion]:
    """Select the patient's visits and holds, and the doctor's days that the new visit touches."""
    return boundary_of(command.patient_id, command.slot)


def decide(command: MoveAppointment, calendar: Calendar) -> list[Event]:
    """Return [AppointmentMoved], or [] when the appointment is in this slot already."""
    visit, stands = own_appointment(
        calendar,
        command.appointment_id,
        command.patient_id,
        changed_by=command.source,
        desk_phone=command.desk_phone,
    )
    if not stands:
        raise AppointmentIsCancelled
    if command.slot is not None and command.slot.slot_id == visit.slot_id:
        return []
    require_not_started(visit, command.now)
    if command.slot is None:
        raise SlotUnknown
    slot, zone = offered(calendar, command.slot)
    hold_id = hold_to_end(calendar, command.patient_id, slot.slot_id, command.hold_id, command.now)
    require_ahead(slot, command.now)
    if slot.service_id != visit.service_id:
        raise ServiceDiffers
    require_free_time(calendar, command.slot, command.patient_id, command.now, moving=command.appointment_id)
    return [
        AppointmentMoved(
            appointment_id=command.appointment_id,
            patient_id=command.patient_id,
            before=visit_of(visit),
            after=Visit(
                slot_id=slot.slot_id,
                doctor_id=command.slot.doctor_id,
                service_id=slot.service_id,
                facility_id=slot.facility_id,
                mode=slot.mode,
                starts_at=slot.starts_at,
                minutes=slot.minutes,
                zone=zone,
            ),
            source=command.source,
            hold_id=hold_id,
        )
    ]


MOVE_APPOINTMENT = Decision(boundary=boundary, initial=Calendar(), evolve=evolve, decide=decide)
