"""Which part of the day is it on the wall?"""

from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

_NOON, _FIVE = 12, 17


class PartOfDay(StrEnum):
    """Morning ends at noon, the afternoon at five, the evening at midnight."""

    MORNING = "morning"
    AFTERNOON = "afternoon"
    EVENING = "evening"


def part_of_day(instant: datetime, zone: ZoneInfo) -> PartOfDay:
    """Return the part of the day that the clock on the wall shows at this instant."""
    hour = instant.astimezone(zone).hour
    if hour < _NOON:
        return PartOfDay.MORNING
    return PartOfDay.AFTERNOON if hour < _FIVE else PartOfDay.EVENING
