"""What may each level do, and how is the rest unlocked? The product's table, as data.

Every service reads it, and the web app shows it, so that what is locked is seen with the way to unlock it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from portal_events.identity import Level
from portal_eventstore.decision import Forbidden

_BOTH: Final = frozenset(Level)
_FULL: Final = frozenset({Level.FULL})

CAPABILITIES: Final[Mapping[str, frozenset[Level]]] = {
    "search-slots": _BOTH,
    "book-appointments": _BOTH,
    "occupational-examinations": _BOTH,
    "manage-appointments": _BOTH,
    "confirm-identity": frozenset({Level.BASIC}),
    "treatment-history": _FULL,
    "examination-results": _FULL,
    "referrals": _FULL,
    "instructions": _FULL,
    "certificates": _FULL,
    "prescriptions": _FULL,
    "online-consultations": _FULL,
    "questions": _FULL,
    "files": _FULL,
    "rehabilitation": _FULL,
    "unlimited-bookings": _FULL,
}
"""Capability -> the levels that have it."""

UNLOCK_WAYS: Final = ("bank", "call-centre", "contact-form", "facility")
"""How a basic account becomes full."""


class LevelTooLow(Forbidden):
    """The account's level does not have this capability: confirming one's identity raises it."""

    extensions: ClassVar[Mapping[str, Any]] = {"unlockWays": UNLOCK_WAYS}

    code = "level-too-low"
    title = "Confirm your identity to use this"


def capabilities_of(level: Level) -> dict[str, bool]:
    """Return every capability, and whether `level` has it: what is locked is shown as locked."""
    return {name: level in levels for name, levels in CAPABILITIES.items()}


def unlock_ways_of(level: Level) -> tuple[str, ...]:
    """Return the ways to a higher level."""
    return UNLOCK_WAYS if level is Level.BASIC else ()
