"""How many visits may a patient have ahead?"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from portal_chassis.capabilities import CAPABILITIES
from portal_events.booking import AppointmentBooked, Source
from portal_events.identity import Level
from portal_eventstore.decision import Conflict

LIMIT: Final = 10


class BookingLimit(Conflict):
    """As many visits ahead as the account's level allows."""

    code = "booking-limit"
    title = "You have as many booked visits as your account allows"


def require_room(visits: Iterable[AppointmentBooked], level: Level, now: datetime) -> None:
    """Refuse one more visit when as many, booked in the portal, are ahead as the level allows."""
    if level in CAPABILITIES["unlimited-bookings"]:
        return
    if sum(visit.source is Source.PORTAL and visit.starts_at > now for visit in visits) >= LIMIT:
        raise BookingLimit
