"""Is the demo network what the product page shows, and plausible?"""

from datetime import date

from booking.rules.pwz import pwz_valid
from identity.rules.pesel import read_pesel
from portal_demo.network import DOCTORS, doctor_days, facilities, services, working_days
from portal_demo.people import PATIENTS


def test_given_the_network_when_counted_then_it_is_small_but_whole() -> None:
    assert len(list(services())) == 8
    assert {facility.city for facility in facilities()} == {"Warszawa", "Kraków", "Gdańsk"}
    assert len(list(facilities())) == 6
    assert len({doctor.pwz for doctor in DOCTORS}) == 12
    assert all(pwz_valid(doctor.pwz) for doctor in DOCTORS)
    assert len(list(doctor_days(date(2026, 11, 20)))) == 120


def test_given_a_friday_when_the_schedule_begins_then_weekends_are_left_out() -> None:
    days = working_days(date(2026, 11, 20))
    assert (days[0], days[1], len(days)) == (date(2026, 11, 20), date(2026, 11, 23), 10)


def test_given_anna_nowak_when_she_works_then_the_same_times_are_offered_at_both_addresses() -> None:
    nowak = next(doctor for doctor in DOCTORS if doctor.name == "lek. med. Anna Nowak")
    streets = {f.facility_id: f.street for f in facilities()}
    [first, second] = next(day for day in doctor_days(date(2026, 11, 20))).sessions
    assert (first.hours, first.minutes) == (second.hours, second.minutes)
    assert {streets[first.facility_id], streets[second.facility_id]} == {
        "ul. 1 Sierpnia 8",
        "ul. Domaniewska 41B",
    }
    assert nowak == DOCTORS[0]


def test_given_the_patients_when_their_pesel_is_read_then_it_says_who_they_are() -> None:
    for patient in PATIENTS:
        read = read_pesel(patient.pesel)
        assert (read.birth_date, read.sex) == (patient.born, patient.sex)
