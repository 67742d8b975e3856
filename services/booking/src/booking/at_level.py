"""At which level is a command decided?

At the basic one, which everybody has at least: the account's own is looked up only where that one refuses. So
the usual command costs no look-up, and a level that has just risen is found before anybody is refused for it.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from booking.ports import OwnLevel
from booking.rules.booking_limit import BookingLimit
from portal_chassis.capabilities import LevelTooLow
from portal_events.identity import Level

T = TypeVar("T")


async def at_own_level(decided: Callable[[Level], Awaitable[T]], own_level: OwnLevel) -> T:
    """Return what `decided` gives at the caller's level; raises its refusals."""
    try:
        return await decided(Level.BASIC)
    except (LevelTooLow, BookingLimit):
        level = await own_level()
        if level is Level.BASIC:
            raise
        return await decided(level)
