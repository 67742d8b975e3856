"""When may a patient give up a visit? Up to its start; then the time is the doctor's again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from booking.rules.calendar import Calendar, evolve, visit_of
from booking.rules.own_appointment import own_appointment, require_not_started
from portal_events.base import Event
from portal_events.booking import AppointmentBooked, AppointmentCancelled, AppointmentMoved, Source
from portal_eventstore.decision import Criterion, Decision, about


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAppointment:
    """Give up a visit, in the portal or at a desk, which may give up what it made as well.

    `desk_phone`: whom to call about it, where a desk made it.
    """

    appointment_id: UUID
    patient_id: UUID
    now: datetime
    desk_phone: str | None
    source: Source = Source.PORTAL


def boundary(command: CancelAppointment) -> Sequence[Criterion]:
    """Select what became of the appointment: nothing else stands against giving it up."""
    types = (AppointmentBooked, AppointmentMoved, AppointmentCancelled)
    return [about(f"appointment:{command.appointment_id}", types)]


def decide(command: CancelAppointment, calendar: Calendar) -> list[Event]:
    """Return [AppointmentCancelled], or [] when it is cancelled already."""
    visit, stands = own_appointment(
        calendar,
        command.appointment_id,
        command.patient_id,
        changed_by=command.source,
        desk_phone=command.desk_phone,
    )
    if not stands:
        return []
    require_not_started(visit, command.now)
    return [
        AppointmentCancelled(
            appointment_id=command.appointment_id,
            patient_id=command.patient_id,
            visit=visit_of(visit),
            source=command.source,
        )
    ]


CANCEL_APPOINTMENT = Decision(boundary=boundary, initial=Calendar(), evolve=evolve, decide=decide)
