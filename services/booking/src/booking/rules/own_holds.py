"""What does the patient hold at this moment?

A hold ends by the clock, and nothing is written when it does.
"""

from datetime import datetime
from uuid import UUID

from booking.rules.calendar import Calendar
from portal_events.booking import SlotHeld
from portal_eventstore.decision import Lapsed


class HoldExpired(Lapsed):
    """The hold that the request relies on is over, is another's, on another slot, or never was."""

    code = "hold-expired"
    title = "The slot is no longer kept for you: choose one again"


def own_holds(calendar: Calendar, patient_id: UUID, now: datetime) -> list[SlotHeld]:
    """Return the patient's holds that live at `now`."""
    return [hold for hold in calendar.holds if hold.patient_id == patient_id and hold.expires_at > now]


def hold_to_end(
    calendar: Calendar, patient_id: UUID, slot_id: UUID, claimed: UUID | None, now: datetime
) -> UUID | None:
    """Return the patient's hold on the slot, which ends when the slot is taken.

    Raises HoldExpired when the request relies on one, `claimed`, that is not it.
    """
    on_it = [hold.hold_id for hold in own_holds(calendar, patient_id, now) if hold.slot_id == slot_id]
    if claimed is not None and claimed not in on_it:
        raise HoldExpired
    return on_it[0] if on_it else None
