"""Which events and commands do the decisions about time speak of? For given/when/then."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from booking.rules.wanted_slot import WantedSlot
from portal_events import testing
from portal_events.base import Event
from portal_events.booking import Visit
from portal_events.testing import opened, service, visit
from portal_eventstore.decision import Decision

OTHER_DOCTOR, MOKOTOW, HYGIENIST = UUID(int=4), UUID(int=6), UUID(int=8)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
AT_17 = datetime(2026, 11, 2, 17, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
VISIT, OTHER_VISIT, HOLD, OTHER_HOLD = UUID(int=900), UUID(int=901), UUID(int=800), UUID(int=801)

# What the commands of these tests ask for: whole events are compared, so their ids are given.
booked = partial(testing.booked, appointment_id=VISIT)
held = partial(testing.held, hold_id=HOLD, expires_at=NOW + 5 * MINUTE)


def wanted(chosen: Visit) -> WantedSlot:
    return WantedSlot(
        slot_id=chosen.slot_id,
        doctor_id=chosen.doctor_id,
        service_id=chosen.service_id,
        starts_at=chosen.starts_at,
        minutes=chosen.minutes,
    )


def decided(decision: Decision[Any, Any], log: list[Event], command: Any) -> list[Event]:
    """Decide on what the boundary reads of the log, as the store would."""
    state = decision.initial
    criteria = decision.boundary(command)
    for event in log:
        if any(c.tag in event.tags() and type(event).__name__ in c.types for c in criteria):
            state = decision.evolve(state, event)
    return list(decision.decide(command, state))


SLOT = visit(AT_17)
THERE = visit(AT_17, facility_id=MOKOTOW)
NEXT = visit(AT_17 + 30 * MINUTE)
LATER = visit(AT_17 + 60 * MINUTE)
OPENED = opened(SLOT, THERE, NEXT, LATER)
SERVICE = service()
