"""On which days does the demo network work?"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from itertools import count
from typing import Final

_SATURDAY: Final = 5
_SUNDAY: Final = 6

# Ustawa o dniach wolnych od pracy: month and day.
_FIXED: Final = ((1, 1), (1, 6), (5, 1), (5, 3), (8, 15), (11, 1), (11, 11), (12, 24), (12, 25), (12, 26))
_EASTER_MONDAY: Final = timedelta(days=1)
_CORPUS_CHRISTI: Final = timedelta(days=60)


def closed(day: date) -> bool:
    """Say whether everybody rests: a Sunday or a Polish public holiday."""
    return day.weekday() == _SUNDAY or day in _holidays(day.year)


def working_days(first: date, number: int) -> list[date]:
    """Return so many Mondays to Fridays from `first`, itself included, without holidays."""
    return _working_days(first, number, forwards=True)


def working_days_before(first: date, number: int) -> list[date]:
    """Return so many Mondays to Fridays before `first`, the nearest one first."""
    return _working_days(first - timedelta(days=1), number, forwards=False)


def days(first: date, last: date) -> Iterator[date]:
    """Yield every date from `first` to `last`."""
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _working_days(first: date, number: int, *, forwards: bool) -> list[date]:
    found: list[date] = []
    step = 1 if forwards else -1
    for n in count():
        day = first + timedelta(days=step * n)
        if len(found) == number:
            break
        if day.weekday() < _SATURDAY and not closed(day):
            found.append(day)
    return found


@cache
def _holidays(year: int) -> frozenset[date]:
    fixed = (date(year, month, day) for month, day in _FIXED)
    return frozenset((*fixed, _easter(year) + _EASTER_MONDAY, _easter(year) + _CORPUS_CHRISTI))


def _easter(year: int) -> date:
    """Return Easter Sunday (the anonymous Gregorian algorithm; J. Meeus, Astronomical Algorithms, ch. 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    (d, e), f = divmod(b, 4), (b + 8) // 25
    h = (19 * a + b - d - (b - f + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    left = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * left) // 451
    month, day = divmod(h + left - 7 * m + 114, 31)
    return date(year, month, day + 1)
