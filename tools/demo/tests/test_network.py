"""Is the demo network what the product page shows, and plausible?"""

from collections import Counter
from itertools import combinations, islice

import pytest

from booking.add_doctor.decide import ADD_DOCTOR
from booking.add_facility.decide import ADD_FACILITY
from booking.add_service.decide import ADD_SERVICE
from booking.rules.pwz import pwz_valid
from portal_demo.doctors import DOCTORS, WANTED, Doctor, Shift, doctors, pwz_numbers
from portal_demo.network import FACILITIES, SERVICES
from portal_events.booking import ServiceKind
from portal_events.identity import Level

CITIES = {"Warszawa", "Kraków", "Gdańsk"}


def test_given_the_network_when_counted_then_it_is_a_small_real_one() -> None:
    assert len(SERVICES) == 40
    assert {service.kind for service in SERVICES.values()} == set(ServiceKind)
    assert len(FACILITIES) == 8
    assert {facility.city for facility in FACILITIES.values()} == CITIES
    assert 1 <= sum(facility.partner for facility in FACILITIES.values()) <= 2
    assert len(DOCTORS) == 70
    assert len({doctor.name for doctor in DOCTORS.values()}) == 70
    assert len({service.name for service in SERVICES.values()}) == 40
    assert len({facility.phone for facility in FACILITIES.values()}) == 8


def test_given_the_network_when_described_then_nothing_of_it_is_refused() -> None:
    for service in SERVICES.values():
        assert list(ADD_SERVICE.decide(service, ADD_SERVICE.initial))
    for facility in FACILITIES.values():
        assert list(ADD_FACILITY.decide(facility, ADD_FACILITY.initial))
    for doctor in doctors():
        assert list(ADD_DOCTOR.decide(doctor, ADD_DOCTOR.initial))


def test_given_licence_numbers_when_made_then_each_is_valid_and_nobody_elses() -> None:
    numbers = list(islice(pwz_numbers(), 10_000))
    assert numbers[0] == "5425740"
    assert all(map(pwz_valid, numbers))
    assert len(set(numbers)) == len(numbers)
    assert next(doctors()).name == "lek. med. Anna Nowak"


def test_given_the_services_when_read_then_the_levels_referrals_and_preparations_are_as_in_a_clinic() -> None:
    by_referral = {key for key, service in SERVICES.items() if service.referral_required}
    assert by_referral == {
        key for key, service in SERVICES.items() if service.kind is ServiceKind.REHABILITATION
    }
    confirmed = {key for key, service in SERVICES.items() if service.levels == (Level.FULL,)}
    assert confirmed == by_referral | {"gastroscopy", "colonoscopy"}
    assert "na czczo" in SERVICES["blood-test"].preparation
    assert "fasting" in SERVICES["blood-test"].preparation_en
    assert any(service.covered for service in SERVICES.values())
    assert all(service.price >= 4900 for service in SERVICES.values())


def test_given_the_doctors_when_they_work_then_every_service_is_given_in_every_way_it_has() -> None:
    provided = {(shift.service, shift.mode) for doctor in DOCTORS.values() for shift in doctor.shifts}
    assert provided == {(key, mode) for key, service in SERVICES.items() for mode in service.modes}


def test_given_a_city_when_anything_is_searched_then_somebody_there_does_it() -> None:
    offered = {
        (FACILITIES[shift.facility].city, shift.service)
        for doctor in DOCTORS.values()
        for shift in doctor.shifts
    }
    cities = {facility.city for facility in FACILITIES.values()}
    assert offered == {(city, service) for city in cities for service in SERVICES}


@pytest.mark.parametrize("doctor", DOCTORS.values(), ids=DOCTORS)
def test_given_a_doctor_when_at_work_then_in_one_city_a_day_and_at_two_addresses_only_with_the_same_hours(
    doctor: Doctor,
) -> None:
    for day in range(7):
        assert len({FACILITIES[shift.facility].city for shift in doctor.shifts if day in shift.days}) <= 1
    for one, other in combinations(doctor.shifts, 2):
        if together(one, other):
            assert one.facility != other.facility
            assert (one.hours, one.breaks, one.minutes) == (other.hours, other.breaks, other.minutes)


@pytest.mark.parametrize("doctor", DOCTORS.values(), ids=DOCTORS)
def test_given_a_doctor_when_named_then_the_title_is_that_of_the_work(doctor: Doctor) -> None:
    work = {shift.service for shift in doctor.shifts}
    kinds = {SERVICES[service].kind for service in work}
    title = doctor.name.rsplit(" ", 2)[0]
    without_medicine = {"psychologist", "dietitian", "blood-test"}
    if ServiceKind.REHABILITATION in kinds or work & without_medicine:
        assert title == "mgr"
    elif ServiceKind.DENTISTRY in kinds:
        assert title in {"lek. dent.", "dr n. med."}
    else:
        assert title in {"lek. med.", "dr n. med.", "dr hab. n. med."}


def test_given_anna_nowak_when_she_works_then_her_evening_is_offered_at_both_addresses() -> None:
    here, there = DOCTORS["nowak"].shifts
    assert {FACILITIES[shift.facility].street for shift in (here, there)} == {
        "ul. 1 Sierpnia 8",
        "ul. Domaniewska 41B",
    }
    assert (here.hours, here.days, here.minutes) == (there.hours, there.days, there.minutes)
    assert (here.hours.since.hour, here.hours.until.hour, here.minutes) == (18, 23, 15)


def test_given_the_doctors_when_somebody_speaks_no_polish_then_many_do_something_else() -> None:
    spoken = Counter(language for doctor in DOCTORS.values() for language in doctor.languages)
    assert spoken["pl"] == 70
    assert spoken["en"] > 40
    assert min(spoken["uk"], spoken["de"]) >= 3
    assert set(WANTED) <= set(DOCTORS)


def together(one: Shift, other: Shift) -> bool:
    days = set(one.days) & set(other.days)
    return bool(days) and one.hours.since < other.hours.until and other.hours.since < one.hours.until
