"""Where are the facts about a slot to be found?"""

from typing import Any
from uuid import UUID

from booking.ports import Place

_FIND = """
select doctor_id, starts_at, (extract(epoch from ends_at - starts_at) / 60)::int as minutes
from free_slots_offer where slot_id = $1
"""


async def find_slot(views: Any, slot_id: UUID) -> Place | None:
    """Return a slot's doctor and time, whether it is free or taken."""
    row = await views.fetchrow(_FIND, slot_id)
    return None if row is None else Place(row["doctor_id"], row["starts_at"], row["minutes"])
