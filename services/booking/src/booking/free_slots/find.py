"""Where are the facts about a slot to be found?"""

from typing import Any
from uuid import UUID

from booking.rules.wanted_slot import WantedSlot

_FIND = """
select doctor_id, service_id, starts_at, (extract(epoch from ends_at - starts_at) / 60)::int as minutes
from free_slots_offer where slot_id = $1
"""


async def find_slot(views: Any, slot_id: UUID) -> WantedSlot | None:
    """Return a slot's doctor, service and time, whether it is free or taken."""
    row = await views.fetchrow(_FIND, slot_id)
    return None if row is None else WantedSlot(slot_id=slot_id, **row)
