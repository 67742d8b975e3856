"""Is the wanted slot offered, and still ahead?"""

from datetime import datetime

from booking.rules.calendar import Calendar
from booking.rules.wanted_slot import WantedSlot
from portal_events.booking import DoctorDayOpened, Slot
from portal_eventstore.decision import Malformed, NotFound


class SlotUnknown(NotFound):
    """No doctor offers it."""

    code = "slot-unknown"
    title = "There is no such slot"


class SlotInPast(Malformed):
    """What has begun cannot be chosen any more."""

    code = "slot-in-past"
    title = "This visit has already begun"


def offered(calendar: Calendar, wanted: WantedSlot) -> tuple[Slot, str]:
    """Return the slot as it is offered, and its wall clock's zone; raises SlotUnknown."""
    for day in calendar.days:
        for slot in day.slots:
            if slot.slot_id == wanted.slot_id and _where_looked_for(day, slot, wanted):
                return slot, day.zone
    raise SlotUnknown


def require_ahead(slot: Slot, now: datetime) -> None:
    """Refuse a slot that has begun."""
    if slot.starts_at <= now:
        raise SlotInPast


def _where_looked_for(day: DoctorDayOpened, slot: Slot, wanted: WantedSlot) -> bool:
    # The boundary is drawn around what the command says: an offer elsewhere it does not protect.
    return (day.doctor_id, slot.service_id, slot.starts_at, slot.minutes) == (
        wanted.doctor_id,
        wanted.service_id,
        wanted.starts_at,
        wanted.minutes,
    )
