"""Is the appointment the patient's own, and may it be changed in the portal, or at a desk?"""

from datetime import datetime
from uuid import UUID

from booking.rules.calendar import Calendar
from portal_events.booking import AppointmentBooked, Source
from portal_eventstore.decision import Conflict, NotFound


class AppointmentUnknown(NotFound):
    """There is none, or it is another patient's."""

    code = "appointment-unknown"
    title = "There is no such appointment"


class NotBookedHere(Conflict):
    """A desk made it, and only a desk changes it."""

    code = "not-booked-here"
    title = "This appointment was not booked in the portal"


class AlreadyStarted(Conflict):
    """What has begun is neither cancelled nor moved."""

    code = "already-started"
    title = "This visit has already begun"


def own_appointment(
    calendar: Calendar,
    appointment_id: UUID,
    patient_id: UUID,
    *,
    changed_by: Source,
    desk_phone: str | None,
) -> tuple[AppointmentBooked, bool]:
    """Return the patient's appointment, which may be changed there, and whether it still stands.

    `desk_phone`: of the facility, for the refusal of what its desk made.
    """
    for visits, stands in ((calendar.booked, True), (calendar.cancelled, False)):
        for visit in visits:
            if (visit.appointment_id, visit.patient_id) == (appointment_id, patient_id):
                if changed_by is Source.PORTAL and visit.source is not Source.PORTAL:
                    raise NotBookedHere(_ask_the_desk(desk_phone))
                return visit, stands
    raise AppointmentUnknown


def require_not_started(visit: AppointmentBooked, now: datetime) -> None:
    """Refuse to change a visit that has begun."""
    if visit.starts_at <= now:
        raise AlreadyStarted


def _ask_the_desk(phone: str | None) -> str:
    reach = "" if phone is None else f" at {phone}"
    return f"The facility made this appointment: to change it, call its desk{reach}"
