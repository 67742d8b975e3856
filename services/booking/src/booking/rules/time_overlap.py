"""When do two visits get in each other's way?"""

from datetime import datetime, timedelta

SHORTEST_MINUTES = 5
LONGEST_MINUTES = 480
"""No visit is longer, so that whoever looks for what overlaps an instant need not look further back."""


def overlap(starts_at: datetime, minutes: int, other_starts_at: datetime, other_minutes: int) -> bool:
    """Say whether the two share a moment: a visit may begin when another ends."""
    ends_at = starts_at + timedelta(minutes=minutes)
    other_ends_at = other_starts_at + timedelta(minutes=other_minutes)
    return starts_at < other_ends_at and other_starts_at < ends_at
