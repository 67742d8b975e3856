"""On which days does the demo network work?"""

from datetime import date

import pytest

from portal_demo.calendar import closed, working_days, working_days_before


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 11, 22),  # a Sunday
        date(2026, 4, 6),  # Easter Monday
        date(2027, 5, 27),  # Corpus Christi
        date(2026, 12, 24),
    ],
)
def test_given_a_sunday_or_a_holiday_then_everybody_rests(day: date) -> None:
    assert closed(day)


@pytest.mark.parametrize("day", [date(2026, 11, 21), date(2026, 4, 7), date(2026, 12, 23)])
def test_given_a_saturday_or_the_day_beside_a_holiday_then_somebody_works(day: date) -> None:
    assert not closed(day)


def test_given_a_friday_when_working_days_are_counted_then_the_weekend_is_left_out() -> None:
    friday = date(2026, 11, 20)
    assert working_days(friday, 3) == [friday, date(2026, 11, 23), date(2026, 11, 24)]
    assert working_days(date(2026, 11, 21), 1) == [date(2026, 11, 23)]
    assert working_days_before(date(2026, 11, 24), 3) == [
        date(2026, 11, 23),
        date(2026, 11, 20),
        date(2026, 11, 19),
    ]
