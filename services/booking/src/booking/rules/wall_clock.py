"""Which instants does a working day on a facility's wall clock consist of?

Hours and breaks are read off the clock on the wall; between them real time passes. When the clock is put
forward the hours are shorter and hold fewer visits, when it is put back they are longer and hold more:
no visit is lost at an hour that does not exist, and none is doubled onto another at an hour that comes twice.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of one day on the wall clock; `until` 00:00 is the midnight that ends the day."""

    since: time
    until: time

    @property
    def empty(self) -> bool:
        """Say whether nothing lies between the two."""
        return self.until != time.min and self.until <= self.since


def slot_starts(
    day: date, zone: ZoneInfo, hours: Hours, minutes: int, breaks: Sequence[Hours] = ()
) -> tuple[datetime, ...]:
    """Return the UTC starts of the visits of `minutes` that fit between the breaks, one after another."""
    end = _end(day, hours, zone)
    pauses = sorted((instant(day, pause.since, zone), _end(day, pause, zone)) for pause in breaks)
    starts: list[datetime] = []
    free_from = instant(day, hours.since, zone)
    for pause_start, pause_end in pauses:
        starts.extend(_fit(free_from, min(pause_start, end), minutes))
        free_from = max(free_from, pause_end)
    starts.extend(_fit(free_from, end, minutes))
    return tuple(starts)


def instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the first moment (UTC) at which the wall clock shows this time of this day, or a later one.

    So a time that comes twice means its first coming, and one that is skipped means the moment of the skip.
    """
    wall = datetime.combine(day, clock.replace(fold=0), zone)
    late = wall.astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return late
    # Skipped: with the offset before the skip it would lie behind it, with the one after it before it.
    early = wall.replace(fold=1).astimezone(UTC)
    offset = late.astimezone(zone).utcoffset()
    seconds = int((late - early).total_seconds())
    skip = bisect_left(
        range(seconds),
        True,
        key=lambda second: (early + timedelta(seconds=second)).astimezone(zone).utcoffset() == offset,
    )
    return early + timedelta(seconds=skip)


def _end(day: date, hours: Hours, zone: ZoneInfo) -> datetime:
    return instant(day + timedelta(days=hours.until == time.min), hours.until, zone)


def _fit(start: datetime, end: datetime, minutes: int) -> Iterator[datetime]:
    length = timedelta(minutes=minutes)
    while start + length <= end:
        yield start
        start += length
