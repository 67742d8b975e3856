"""Have doctor and patient time for a visit?"""

from datetime import datetime
from uuid import UUID

from booking.rules.calendar import Calendar
from booking.rules.time_overlap import overlap, span
from booking.rules.wanted_slot import WantedSlot
from portal_eventstore.decision import Conflict


class SlotTaken(Conflict):
    """Some of the doctor's time is booked, or held by somebody else, at this address or at another one."""

    code = "slot-taken"
    title = "This slot is taken"


class PatientBusy(Conflict):
    """Nobody can be at two visits at a time."""

    code = "patient-busy"
    title = "You have another visit at this time"


def require_free_time(
    calendar: Calendar, wanted: WantedSlot, patient_id: UUID, now: datetime, *, moving: UUID | None = None
) -> None:
    """Refuse a slot in whose time the doctor or the patient has something else.

    The visit that is `moving` gives its time up. Own holds stand in nobody's way but others'.
    """
    time = span(wanted.starts_at, wanted.minutes)
    visits = [
        visit
        for visit in calendar.booked
        if overlap(time, span(visit.starts_at, visit.minutes)) and visit.appointment_id != moving
    ]
    if any(visit.doctor_id == wanted.doctor_id for visit in visits):
        raise SlotTaken
    for hold in calendar.holds:
        if (
            hold.expires_at > now
            and hold.patient_id != patient_id
            and hold.doctor_id == wanted.doctor_id
            and overlap(time, span(hold.starts_at, hold.minutes))
        ):
            raise SlotTaken
    if any(visit.patient_id == patient_id for visit in visits):
        raise PatientBusy
