"""When do two visits get in each other's way?"""

from datetime import datetime

SHORTEST_MINUTES = 5
LONGEST_MINUTES = 480
"""No visit is longer, so that whoever looks for what overlaps an instant need not look further back."""

Span = tuple[float, float]
"""Seconds since 1970 from the beginning to the end: decisions compare many, and numbers compare quickly."""


def span(starts_at: datetime, minutes: int) -> Span:
    """Return the time that a visit takes."""
    since = starts_at.timestamp()
    return since, since + 60 * minutes


def overlap(one: Span, other: Span) -> bool:
    """Say whether the two share a moment: a visit may begin when another ends."""
    return one[0] < other[1] and other[0] < one[1]
