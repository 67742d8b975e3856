import json
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from portal_events.base import decode
from portal_events.booking import (
    DoctorDayOpened,
    FacilityAdded,
    Mode,
    ServiceAdded,
    ServiceKind,
    Slot,
    doctor_days,
)
from portal_events.identity import Level
from portal_events.testing import ANNA, DOCTOR, booked, cancelled, held, moved, released, visit

ID = UUID("0195573e-7b1c-7c02-b0a4-00000000000f")
WARSAW = ZoneInfo("Europe/Warsaw")


def days(*dates: str) -> set[str]:
    return {f"doctor-day:{DOCTOR}:{day}" for day in dates}


@pytest.mark.parametrize(
    ("starts_at", "minutes", "expected"),
    [
        # an ordinary winter day, one hour ahead of UTC
        ("2026-01-15T10:00Z", 20, ["2026-01-15"]),
        ("2026-01-15T22:50Z", 20, ["2026-01-15", "2026-01-16"]),
        ("2026-01-15T22:40Z", 20, ["2026-01-15"]),
        ("2026-01-15T22:40Z", 21, ["2026-01-15", "2026-01-16"]),
        ("2026-01-15T23:00Z", 20, ["2026-01-16"]),
        # the clock goes back on 2026-10-25: that day has 25 hours, from 22:00 to 23:00 UTC
        ("2026-10-24T21:50Z", 20, ["2026-10-24", "2026-10-25"]),
        ("2026-10-24T21:40Z", 20, ["2026-10-24"]),
        ("2026-10-25T00:30Z", 60, ["2026-10-25"]),
        ("2026-10-25T22:10Z", 50, ["2026-10-25"]),
        ("2026-10-25T22:10Z", 51, ["2026-10-25", "2026-10-26"]),
        ("2026-10-24T22:00Z", 25 * 60, ["2026-10-25"]),
        # the clock goes forward on 2027-03-28: that day has 23 hours, from 23:00 to 22:00 UTC
        ("2027-03-27T22:50Z", 20, ["2027-03-27", "2027-03-28"]),
        ("2027-03-27T22:40Z", 20, ["2027-03-27"]),
        ("2027-03-28T00:50Z", 20, ["2027-03-28"]),
        ("2027-03-28T21:40Z", 20, ["2027-03-28"]),
        ("2027-03-28T21:40Z", 21, ["2027-03-28", "2027-03-29"]),
        ("2027-03-27T23:00Z", 23 * 60, ["2027-03-28"]),
        ("2027-03-27T23:00Z", 24 * 60, ["2027-03-28", "2027-03-29"]),
        # longer than a day
        ("2026-01-15T10:00Z", 48 * 60, ["2026-01-15", "2026-01-16", "2026-01-17"]),
    ],
)
def test_given_an_interval_then_every_warsaw_date_that_it_touches(
    starts_at: str, minutes: int, expected: list[str]
) -> None:
    assert doctor_days(DOCTOR, datetime.fromisoformat(starts_at), minutes) == days(*expected)


def test_given_the_same_instant_in_another_zone_then_the_same_dates() -> None:
    starts_at = datetime(2026, 10, 24, 21, 50, tzinfo=UTC)
    assert doctor_days(DOCTOR, starts_at.astimezone(ZoneInfo("Asia/Tokyo")), 20) == days(
        "2026-10-24", "2026-10-25"
    )
    assert doctor_days(DOCTOR, starts_at.astimezone(WARSAW), 20) == days("2026-10-24", "2026-10-25")


@given(
    starts_at=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    minutes=st.integers(1, 3 * 24 * 60),
)
def test_given_any_interval_then_two_that_overlap_share_a_day(starts_at: datetime, minutes: int) -> None:
    touched = doctor_days(DOCTOR, starts_at, minutes)
    for inside in (0, minutes // 2, minutes - 1):
        assert doctor_days(DOCTOR, starts_at + timedelta(minutes=inside), 1) & touched


def slot(starts_at: datetime, minutes: int) -> Slot:
    return Slot(
        slot_id=ID,
        service_id=ID,
        facility_id=ID,
        mode=Mode.IN_PERSON,
        starts_at=starts_at,
        minutes=minutes,
    )


def test_given_a_doctors_day_then_tags_of_its_own_date_and_of_every_date_that_a_slot_touches() -> None:
    opened = DoctorDayOpened(
        doctor_id=DOCTOR,
        date=date(2026, 10, 24),
        zone="Europe/Warsaw",
        slots=(
            slot(datetime(2026, 10, 24, 8, tzinfo=UTC), 20),
            slot(datetime(2026, 10, 24, 21, 50, tzinfo=UTC), 20),
        ),
    )
    assert opened.tags() == days("2026-10-24", "2026-10-25")
    assert opened.subject == DOCTOR


def test_given_a_doctors_day_without_slots_then_its_own_tag() -> None:
    opened = DoctorDayOpened(doctor_id=DOCTOR, date=date(2026, 3, 2), zone="Europe/Warsaw", slots=())
    assert opened.tags() == days("2026-03-02")


MIDNIGHT = visit(datetime(2026, 1, 15, 22, 50, tzinfo=UTC), minutes=20)
NOON = visit(datetime(2026, 1, 20, 11, tzinfo=UTC))
BOOKED = booked(MIDNIGHT, appointment_id=ID)
OVER_MIDNIGHT = ("2026-01-15", "2026-01-16")


def test_given_a_booking_over_midnight_then_tags_of_appointment_patient_and_both_days() -> None:
    assert BOOKED.tags() == {f"appointment:{ID}", f"patient:{ANNA}", *days(*OVER_MIDNIGHT)}
    assert BOOKED.subject == ANNA


@pytest.mark.parametrize("minutes", [0, -20])
def test_given_no_length_when_booked_or_offered_then_refused_for_no_day_would_guard_it(minutes: int) -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        booked(MIDNIGHT, minutes=minutes)
    with pytest.raises(ValidationError, match="greater than 0"):
        slot(datetime(2026, 1, 15, tzinfo=UTC), minutes)


def test_given_a_time_without_zone_when_offered_then_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        slot(datetime(2026, 1, 15), 20)  # noqa: DTZ001 — the fault that is planted


def test_given_a_move_then_tags_of_the_days_of_both_visits() -> None:
    event = moved(BOOKED, NOON)
    assert event.tags() == {f"appointment:{ID}", f"patient:{ANNA}", *days(*OVER_MIDNIGHT, "2026-01-20")}
    assert event.subject == ANNA


def test_given_a_cancellation_then_tags_of_the_days_that_are_free_again() -> None:
    event = cancelled(BOOKED)
    assert event.tags() == {f"appointment:{ID}", f"patient:{ANNA}", *days(*OVER_MIDNIGHT)}
    assert event.subject == ANNA


def test_given_a_hold_and_its_release_then_both_have_the_tags_of_hold_patient_and_days() -> None:
    hold = held(MIDNIGHT, hold_id=ID)
    assert hold.tags() == {f"hold:{ID}", f"patient:{ANNA}", *days(*OVER_MIDNIGHT)}
    assert released(hold).tags() == hold.tags()
    assert hold.subject == released(hold).subject == ANNA


def test_given_a_booking_of_version_1_when_read_then_it_was_made_in_the_portal() -> None:
    payload = json.loads(BOOKED.model_dump_json(by_alias=True))
    del payload["source"], payload["holdId"]
    assert decode("booking", "AppointmentBooked", 1, json.dumps(payload)) == BOOKED


def test_given_a_service_of_version_1_when_read_then_everybody_books_it_in_every_way() -> None:
    first = {"serviceId": str(ID), "name": "Stomatolog", "nameEn": "Dentist", "price": 19900}
    assert decode("booking", "ServiceAdded", 1, json.dumps(first)) == ServiceAdded(
        service_id=ID,
        name="Stomatolog",
        name_en="Dentist",
        kind=ServiceKind.CONSULTATION,
        modes=tuple(Mode),
        levels=tuple(Level),
        referral_required=False,
        price=19900,
        covered=False,
        preparation="",
        preparation_en="",
    )


def test_given_a_facility_of_version_1_when_read_then_it_is_the_networks_own() -> None:
    first = {
        "facilityId": str(ID),
        "name": "Zdrovia Ochota",
        "street": "ul. 1 Sierpnia 8",
        "city": "Warszawa",
        "zone": "Europe/Warsaw",
    }
    read = decode("booking", "FacilityAdded", 1, json.dumps(first))
    assert isinstance(read, FacilityAdded)
    assert (read.postal_code, read.phone, read.partner) == ("", "", False)
