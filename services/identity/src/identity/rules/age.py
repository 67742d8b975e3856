"""How old is somebody, by the calendar in Warsaw?"""

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

_WARSAW: Final = ZoneInfo("Europe/Warsaw")
_OLDEST_BAND: Final = 90


def warsaw_day(now: datetime) -> date:
    """Return the calendar day in Warsaw at the instant `now`."""
    return now.astimezone(_WARSAW).date()


def age_on(day: date, birth_date: date) -> int:
    """Return the completed years; a 29 February's birthday falls on 1 March in other years."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def age_band(age: int) -> str:
    """Return the decade for analysts, `30-39`; the few people of 90 and more share one."""
    if age >= _OLDEST_BAND:
        return f"{_OLDEST_BAND}+"
    decade = age // 10 * 10
    return f"{decade}-{decade + 9}"
