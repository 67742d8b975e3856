"""Which slot is wanted, and where are the facts about it to be found?"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSlot:
    """A slot as the view of offers tells of it; whether it is there, the facts say. `starts_at` is UTC."""

    slot_id: UUID
    doctor_id: UUID
    service_id: UUID
    starts_at: datetime
    minutes: int
