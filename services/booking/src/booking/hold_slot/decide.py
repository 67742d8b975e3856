"""When is a slot kept for a patient who has not decided yet?

The doctor's time is kept, so that the same time at another address is nobody else's either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from booking.rules.calendar import Calendar, boundary_of, evolve
from booking.rules.free_time import require_free_time
from booking.rules.offer import SlotUnknown, offered, require_ahead
from booking.rules.own_holds import own_holds
from booking.rules.service_terms import require_level, require_no_referral
from booking.rules.wanted_slot import WantedSlot
from portal_events.base import Event
from portal_events.booking import ServiceAdded, SlotHeld
from portal_events.identity import Level
from portal_eventstore.decision import Conflict, Criterion, Decision, about

LASTS: Final = timedelta(minutes=5)
MOST: Final = 2


class HoldLimit(Conflict):
    """Who holds many slots keeps others from them."""

    code = "hold-limit"
    title = f"You can have {MOST} slots kept for you at a time"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldSlot:
    """Keep a slot for a patient."""

    hold_id: UUID
    patient_id: UUID
    slot: WantedSlot
    level: Level
    now: datetime


def boundary(command: HoldSlot) -> Sequence[Criterion]:
    """Select the doctor's days that the visit touches, the patient's visits and holds, and the service."""
    return [
        *boundary_of(command.patient_id, command.slot),
        about(f"service:{command.slot.service_id}", (ServiceAdded,)),
    ]


def decide(command: HoldSlot, calendar: Calendar) -> list[Event]:
    """Return [SlotHeld], or [] when this patient already holds this slot."""
    mine = own_holds(calendar, command.patient_id, command.now)
    if any(hold.slot_id == command.slot.slot_id for hold in mine):
        return []
    slot, _ = offered(calendar, command.slot)
    if calendar.service is None:
        raise SlotUnknown
    require_ahead(slot, command.now)
    require_level(calendar.service, command.level)
    require_no_referral(calendar.service)
    require_free_time(calendar, command.slot, command.patient_id, command.now)
    if len(mine) >= MOST:
        raise HoldLimit
    return [
        SlotHeld(
            hold_id=command.hold_id,
            slot_id=slot.slot_id,
            patient_id=command.patient_id,
            doctor_id=command.slot.doctor_id,
            starts_at=slot.starts_at,
            minutes=slot.minutes,
            expires_at=command.now + LASTS,
        )
    ]


HOLD_SLOT = Decision(boundary=boundary, initial=Calendar(), evolve=evolve, decide=decide)
