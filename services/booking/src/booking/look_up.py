"""Where are the facts about the slot that a client names?

What is found needs no waiting, however old the view: the decision rests on the facts, not on it.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from booking.ports import Seen
from portal_chassis.positions import Positions

T = TypeVar("T")


async def look_up(
    slot_id: UUID, find: Callable[[UUID], Awaitable[T | None]], seen: Seen, positions: Positions
) -> T | None:
    """Return what `find` finds, if need be after the view has seen what the caller has."""
    found = await find(slot_id)
    if found is None:
        await seen("free_slots", positions)
        found = await find(slot_id)
    return found
