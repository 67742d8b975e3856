"""How many visits may a patient have ahead?"""

from collections.abc import Iterable
from datetime import datetime

LIMIT = 10


def limit_reached(starts: Iterable[datetime], now: datetime) -> bool:
    """Say whether the visits that start after `now` leave no room for another one."""
    return sum(1 for starts_at in starts if starts_at > now) >= LIMIT
