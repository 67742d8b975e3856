"""Is a PESEL read as the law writes it?"""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.rules.pesel import Pesel, PeselInvalidError, checksum, read_pesel
from portal_events.identity import Sex

CENTURIES = {18: 80, 19: 0, 20: 20, 21: 40, 22: 60}
DATES = st.dates(date(1800, 1, 1), date(2299, 12, 31))
SERIALS = st.integers(0, 9999)


def make_pesel(born: date, serial: int) -> str:
    month = born.month + CENTURIES[born.year // 100]
    digits = f"{born.year % 100:02}{month:02}{born.day:02}{serial:04}"
    return digits + str(checksum([int(digit) for digit in digits]))


@pytest.mark.parametrize(
    ("text", "born", "sex"),
    [
        ("44051401359", date(1944, 5, 14), Sex.MALE),
        ("02070803628", date(1902, 7, 8), Sex.FEMALE),
        ("92871200009", date(1892, 7, 12), Sex.FEMALE),
        ("00210100011", date(2000, 1, 1), Sex.MALE),
        ("04222912347", date(2004, 2, 29), Sex.FEMALE),
        ("99523112352", date(2199, 12, 31), Sex.MALE),
        ("00610100006", date(2200, 1, 1), Sex.FEMALE),
    ],
)
def test_given_a_valid_pesel_of_each_century_when_read_then_date_and_sex(
    text: str, born: date, sex: Sex
) -> None:
    assert read_pesel(text) == Pesel(born, sex)


@given(DATES, SERIALS)
def test_given_any_person_when_the_pesel_is_read_then_it_says_date_and_sex(born: date, serial: int) -> None:
    sex = Sex.FEMALE if serial % 10 % 2 == 0 else Sex.MALE
    assert read_pesel(make_pesel(born, serial)) == Pesel(born, sex)


@given(
    st.dates(date(1800, 1, 1), date(2299, 12, 31)),
    st.integers(0, 9999),
    st.integers(0, 10),
    st.integers(1, 9),
)
def test_given_one_wrong_digit_when_read_then_refused(born: date, serial: int, place: int, add: int) -> None:
    text = make_pesel(born, serial)
    wrong = text[:place] + str((int(text[place]) + add) % 10) + text[place + 1 :]
    with pytest.raises(PeselInvalidError):
        read_pesel(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4405140135",
        "440514013590",
        "44051401358",
        "4405140135a",
        " 44051401359",
        "44051401359\n",
        "٤٤٠٥١٤٠١٣٥٩",
        "44-05-14-01359",
        "\x0044051401359",
    ],
)
def test_given_what_is_no_pesel_when_read_then_refused(text: str) -> None:
    with pytest.raises(PeselInvalidError):
        read_pesel(text)


@pytest.mark.parametrize("first", ["9902290000", "9913010000", "9900010000", "9904310000", "9920010000"])
def test_given_a_date_that_never_was_when_read_then_refused_in_spite_of_its_checksum(first: str) -> None:
    with pytest.raises(PeselInvalidError, match="date"):
        read_pesel(first + str(checksum([int(digit) for digit in first])))


def test_hazard_message_does_not_repeat_the_number() -> None:
    with pytest.raises(PeselInvalidError) as caught:
        read_pesel("44051401358")
    assert "4405" not in str(caught.value)
