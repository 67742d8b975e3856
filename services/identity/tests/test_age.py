"""Is age counted by the calendar day in Warsaw?"""

from datetime import UTC, date, datetime

import pytest

from identity.rules.age import age_band, age_on, warsaw_day


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 1, 1, 22, 59, tzinfo=UTC), date(2026, 1, 1)),
        (datetime(2026, 1, 1, 23, 0, tzinfo=UTC), date(2026, 1, 2)),
        (datetime(2026, 7, 1, 21, 59, tzinfo=UTC), date(2026, 7, 1)),
        (datetime(2026, 7, 1, 22, 0, tzinfo=UTC), date(2026, 7, 2)),
    ],
)
def test_given_an_instant_when_asked_then_the_day_on_the_wall_in_warsaw(now: datetime, day: date) -> None:
    assert warsaw_day(now) == day


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        (date(2008, 11, 23), date(2026, 11, 22), 17),
        (date(2008, 11, 23), date(2026, 11, 23), 18),
        (date(2008, 2, 29), date(2026, 2, 28), 17),
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(2026, 11, 23), date(2026, 11, 23), 0),
    ],
)
def test_given_a_birth_date_when_asked_on_a_day_then_completed_years(born: date, day: date, age: int) -> None:
    assert age_on(day, born) == age


@pytest.mark.parametrize(
    ("age", "band"),
    [(0, "0-9"), (9, "0-9"), (10, "10-19"), (39, "30-39"), (89, "80-89"), (90, "90+"), (99, "90+")],
)
def test_given_an_age_when_banded_then_its_decade(age: int, band: str) -> None:
    assert age_band(age) == band
