"""On which terms is a service offered, and how is somebody refused who does not meet them?

Shared, since the search says what booking would say: better before a choice than after it.
"""

from portal_chassis.capabilities import LevelTooLow
from portal_events.booking import ServiceAdded
from portal_events.identity import Level
from portal_eventstore.decision import Conflict, Malformed, NotFound


class ServiceUnknown(NotFound):
    """It is not in the catalogue."""

    code = "service-unknown"
    title = "There is no such service"


class ModeNotOffered(Malformed):
    """Not every service can be given in person, by telephone and by video."""

    code = "mode-not-offered"
    title = "The service is not offered in this way"


class ReferralRequired(Conflict):
    """Only who was referred by a doctor may have it."""

    code = "referral-required"
    title = "This service needs a referral"


def require_level(service: ServiceAdded, level: Level) -> None:
    """Refuse an account whose level may not book the service in the portal."""
    if level not in service.levels:
        raise LevelTooLow


def require_no_referral(service: ServiceAdded) -> None:
    """Refuse a service that needs a referral."""
    if service.referral_required:
        raise ReferralRequired
