"""Does a working day on the wall clock become the right instants when the clock is put forward or back?"""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from booking.rules.wall_clock import Hours, instant, slot_starts

WARSAW = ZoneInfo("Europe/Warsaw")
PUT_BACK = date(2026, 10, 25)  # 03:00 summer time becomes 02:00
PUT_FORWARD = date(2027, 3, 28)  # 02:00 becomes 03:00 summer time
NIGHT = Hours(time(1), time(4))


def wall(starts: tuple[datetime, ...]) -> list[str]:
    """Show instants as the wall clock does, with the offset."""
    return [start.astimezone(WARSAW).strftime("%H:%M%z")[:8] for start in starts]


def test_given_an_ordinary_day_when_cut_then_visits_fill_the_hours_around_the_break() -> None:
    starts = slot_starts(
        date(2026, 11, 2), WARSAW, Hours(time(8), time(10)), 30, (Hours(time(8, 40), time(9, 10)),)
    )
    assert wall(starts) == ["08:00+01", "09:10+01"]
    assert starts[0] == datetime(2026, 11, 2, 7, tzinfo=UTC)


def test_given_the_clock_is_put_back_when_cut_then_the_repeated_hour_holds_its_own_visits() -> None:
    assert wall(slot_starts(PUT_BACK, WARSAW, NIGHT, 30)) == [
        "01:00+02",
        "01:30+02",
        "02:00+02",
        "02:30+02",
        "02:00+01",
        "02:30+01",
        "03:00+01",
        "03:30+01",
    ]


def test_given_the_clock_is_put_forward_when_cut_then_the_missing_hour_holds_none() -> None:
    assert wall(slot_starts(PUT_FORWARD, WARSAW, NIGHT, 30)) == [
        "01:00+01",
        "01:30+01",
        "03:00+02",
        "03:30+02",
    ]


def test_given_hours_that_begin_in_the_missing_hour_when_cut_then_work_begins_at_the_skip() -> None:
    assert wall(slot_starts(PUT_FORWARD, WARSAW, Hours(time(2, 30), time(4)), 30)) == ["03:00+02", "03:30+02"]


def test_given_hours_within_the_missing_hour_when_cut_then_there_is_no_visit() -> None:
    assert slot_starts(PUT_FORWARD, WARSAW, Hours(time(2), time(3)), 30) == ()


def test_given_a_break_in_the_missing_hour_when_cut_then_it_takes_no_time() -> None:
    pause = Hours(time(2), time(3))
    assert slot_starts(PUT_FORWARD, WARSAW, NIGHT, 30, (pause,)) == slot_starts(
        PUT_FORWARD, WARSAW, NIGHT, 30
    )


def test_given_a_time_that_comes_twice_when_read_then_its_first_coming_is_meant() -> None:
    assert instant(PUT_BACK, time(2, 30), WARSAW) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert instant(PUT_BACK, time(3), WARSAW) == datetime(2026, 10, 25, 2, tzinfo=UTC)


def test_given_a_time_that_is_skipped_when_read_then_the_moment_of_the_skip_is_meant() -> None:
    assert instant(PUT_FORWARD, time(2, 45), WARSAW) == datetime(2027, 3, 28, 1, tzinfo=UTC)


def test_given_hours_until_midnight_when_cut_then_the_last_visit_ends_with_the_day() -> None:
    assert wall(slot_starts(date(2026, 11, 2), WARSAW, Hours(time(23), time.min), 20)) == [
        "23:00+01",
        "23:20+01",
        "23:40+01",
    ]


_minutes_of_day = st.integers(0, 24 * 60 - 1)


def _clock(minute: int) -> time:
    return time(minute // 60, minute % 60)


@settings(max_examples=300, deadline=None)
@given(
    day=st.sampled_from([PUT_BACK, PUT_FORWARD, date(2026, 7, 1), date(2026, 12, 31)]),
    span=st.tuples(_minutes_of_day, _minutes_of_day).filter(lambda s: s[0] < s[1]),
    pauses=st.lists(st.tuples(_minutes_of_day, _minutes_of_day).filter(lambda s: s[0] < s[1]), max_size=4),
    minutes=st.integers(5, 120),
)
def test_given_any_day_when_cut_then_visits_follow_each_other_inside_the_hours(
    day: date, span: tuple[int, int], pauses: list[tuple[int, int]], minutes: int
) -> None:
    hours = Hours(_clock(span[0]), _clock(span[1]))
    breaks = tuple(Hours(_clock(since), _clock(until)) for since, until in pauses)
    starts = slot_starts(day, WARSAW, hours, minutes, breaks)
    length = timedelta(minutes=minutes)
    assert all(later - earlier >= length for earlier, later in pairwise(starts))
    assert all(instant(day, hours.since, WARSAW) <= start for start in starts)
    assert all(start + length <= instant(day, hours.until, WARSAW) for start in starts)
    for pause in breaks:
        since, until = instant(day, pause.since, WARSAW), instant(day, pause.until, WARSAW)
        assert all(start + length <= since or until <= start for start in starts)
