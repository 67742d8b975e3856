"""Does every search find something, are some days full, and could all of it have happened?"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import pairwise

import pytest

from booking.rules.booking_limit import LIMIT
from booking.rules.wall_clock import instant
from identity.rules.age import age_on
from identity.rules.pesel import read_pesel
from portal_demo.calendar import working_days
from portal_demo.crowd import walk_ins
from portal_demo.doctors import DOCTORS, WANTED
from portal_demo.history import SCALES, Booking, History, history
from portal_demo.network import FACILITIES, SERVICES
from portal_demo.people import NETWORK_AGE, patients
from portal_demo.schedule import WARSAW, Offer
from portal_events.booking import Source
from portal_events.identity import Level

FRIDAY = date(2026, 11, 20)
FIRST_DAYS = [FRIDAY, date(2026, 12, 23), date(2027, 3, 27), date(2028, 4, 1)]
COMMON = [
    "internist",
    "family",
    "paediatrician",
    "dentist",
    "gynaecologist",
    "dermatologist",
    "cardiologist",
    "ophthalmologist",
    "orthopaedist",
    "ent",
    "neurologist",
    "telephone",
    "blood-test",
    "abdominal-ultrasound",
    "chest-x-ray",
    "flu-vaccination",
    "occupational-initial",
]
EVERYWHERE = sorted(set(COMMON) - {"occupational-initial"})
CITIES = sorted({facility.city for facility in FACILITIES.values()})
PARTS = {"morning": range(12), "afternoon": range(12, 17), "evening": range(17, 24)}


@cache
def made_up(first: date) -> History:
    return history(first, SCALES["small"])


@cache
def free(first: date, days: int) -> Sequence[Offer]:
    """Return what a search finds from tomorrow on, on so many working days."""
    found = made_up(first)
    last = working_days(first + timedelta(days=1), days)[-1]
    taken = defaultdict(list)
    for booking in found.bookings:
        if booking.cancelled_at is None:
            taken[booking.offer.doctor, booking.offer.day].append(booking.offer)
    return [
        offer
        for day in found.days
        if first < day.day <= last
        for offer in day.offers()
        if not any(meet(offer, other) for other in taken[offer.doctor, offer.day])
    ]


def meet(one: Offer, other: Offer) -> bool:
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at


def hour(offer: Offer) -> int:
    return offer.starts_at.astimezone(WARSAW).hour


@pytest.mark.parametrize("first", FIRST_DAYS, ids=str)
def test_given_the_network_when_each_service_is_searched_then_it_has_dates(first: date) -> None:
    assert {offer.service for offer in free(first, 5)} == set(SERVICES)


@pytest.mark.parametrize("first", FIRST_DAYS, ids=str)
def test_given_a_city_when_a_common_service_is_searched_then_it_has_dates_at_every_time_of_day(
    first: date,
) -> None:
    found = {(offer.city, offer.service) for offer in free(first, 3)}
    assert {(city, service) for city in CITIES for service in COMMON} - found == set()
    by_part = {
        (offer.city, offer.service, part)
        for offer in free(first, 5)
        for part, hours in PARTS.items()
        if hour(offer) in hours
    }
    consultations = COMMON[:11]
    wanted = {(city, service, part) for city in CITIES for service in consultations for part in PARTS}
    assert wanted - by_part == set()


@pytest.mark.parametrize("first", FIRST_DAYS, ids=str)
def test_given_a_city_when_an_english_speaker_is_searched_then_the_common_consultations_have_one(
    first: date,
) -> None:
    found = {
        (offer.city, offer.service) for offer in free(first, 5) if "en" in DOCTORS[offer.doctor].languages
    }
    assert {(city, service) for city in CITIES for service in COMMON[:12]} - found == set()


def test_given_anna_nowak_when_searched_then_the_same_times_stand_at_two_addresses() -> None:
    here, there = (
        {offer.starts_at for offer in free(FRIDAY, 5) if (offer.doctor, offer.facility) == ("nowak", place)}
        for place in ("ochota", "mokotow")
    )
    assert here == there
    assert len(here) > 50
    assert {start.astimezone(WARSAW).hour for start in here} == {18, 19, 20, 21, 22}


@pytest.mark.parametrize("first", FIRST_DAYS, ids=str)
def test_given_the_wanted_doctors_when_searched_then_the_next_days_are_full_and_later_ones_are_not(
    first: date,
) -> None:
    days = working_days(first + timedelta(days=1), 12)
    by_doctor = Counter((offer.doctor, offer.day) for offer in free(first, 12))
    for doctor in WANTED:
        assert not [day for day in days[:5] if by_doctor[doctor, day]]
        assert [day for day in days[5:] if by_doctor[doctor, day]]


def test_given_the_other_doctors_when_searched_then_some_days_are_half_booked() -> None:
    booked = Counter((b.offer.doctor, b.offer.day) for b in made_up(FRIDAY).bookings)
    still_free = Counter((o.doctor, o.day) for o in free(FRIDAY, 5))
    half = [day for day in still_free if 0.4 <= booked[day] / (booked[day] + still_free[day]) <= 0.7]
    assert len(half) >= 8


def test_given_the_schedule_when_counted_then_it_is_twenty_working_days_and_some_saturdays() -> None:
    opened = {day.day for day in made_up(FRIDAY).days if day.day >= FRIDAY}
    assert {day for day in opened if day.weekday() < 5} == set(working_days(FRIDAY, 20))
    saturdays = {day.doctor for day in made_up(FRIDAY).days if day.day.weekday() == 5 and day.day > FRIDAY}
    assert 5 <= len(saturdays) <= 20


@pytest.mark.parametrize("first", FIRST_DAYS, ids=str)
def test_given_the_bookings_when_compared_then_nobody_is_at_two_places_at_once(first: date) -> None:
    by_person: dict[str, list[Offer]] = defaultdict(list)
    for booking in made_up(first).bookings:
        # What was given back or moved away from is not planned again either: no order of events refuses it.
        taken = [offer for offer in (booking.before, booking.offer) if offer is not None]
        by_person[booking.offer.doctor] += taken
        by_person[booking.patient] += taken
    for offers in by_person.values():
        offers.sort(key=lambda offer: offer.starts_at)
        assert not [one for one, other in pairwise(offers) if meet(one, other)]


@pytest.mark.parametrize("first", FIRST_DAYS, ids=str)
def test_given_a_visit_when_its_story_is_told_then_everything_came_in_its_turn(first: date) -> None:
    found = made_up(first)
    opened = {
        (day.doctor, offer.facility, offer.service, offer.starts_at): day.opened_at
        for day in found.days
        for offer in day.offers()
    }
    now = instant(first, time.min, WARSAW)
    arrivals = {person.key: at for person, at in found.arrivals()}
    for booking in found.bookings:
        for offer in filter(None, (booking.before, booking.offer)):
            assert opened[offer.doctor, offer.facility, offer.service, offer.starts_at] < booking.booked_at
        assert arrivals.get(booking.patient, found.opened_at) <= booking.booked_at
        for turn in turns(booking):
            assert turn == sorted(turn)
            assert turn[-2] < now
    assert min(day.opened_at for day in found.days) > found.opened_at


def turns(booking: Booking) -> Iterable[list[datetime]]:
    """Return the moments that must follow each other; the last of each is a visit's beginning."""
    changed = [at for at in (booking.moved_at, booking.cancelled_at) if at is not None]
    for offer in filter(None, (booking.before, booking.offer)):
        yield [booking.booked_at, *changed, offer.starts_at]


def test_given_the_history_when_counted_then_it_is_that_of_a_few_hundred_people() -> None:
    found = made_up(FRIDAY)
    scale = SCALES["small"]
    past = [booking for booking in found.bookings if booking.offer.day < FRIDAY]
    assert 0.9 * scale.past_visits < len(past) < 1.1 * scale.past_visits
    assert len({booking.patient for booking in past}) > 300
    assert 100 < sum(booking.cancelled_at is not None for booking in found.bookings) < 400
    assert 50 < sum(booking.moved_at is not None for booking in found.bookings) < 300
    offered = sum(len(day.offers()) for day in found.days if day.day < FRIDAY)
    assert 0.7 < len(past) / offered < 0.95


def test_given_the_crowd_when_it_comes_then_who_fits_the_service_from_the_same_city() -> None:
    found = made_up(FRIDAY)
    people = {person.key: person for person in found.people}
    for booking in found.bookings:
        person = people.get(booking.patient)
        if person is None:
            continue
        assert booking.source is Source.DESK
        assert person.city == booking.offer.city
        assert (booking.offer.service != "paediatrician") or person.age_on(FRIDAY) < 18
        assert (booking.offer.service != "gynaecologist") or person.sex == "female"
        assert not SERVICES[booking.offer.service].referral_required
    assert all(
        (read_pesel(p.pesel).birth_date, read_pesel(p.pesel).sex) == (p.born, p.sex) for p in people.values()
    )
    pesels = [*(person.pesel for person in found.people), *(patient.pesel for patient in found.accounts)]
    assert len(set(pesels)) == len(pesels)


def test_given_the_same_first_day_when_made_up_again_then_it_is_the_same() -> None:
    again = history(FRIDAY, SCALES["small"])
    assert (again.people, again.days, again.bookings) == (
        made_up(FRIDAY).people,
        made_up(FRIDAY).days,
        made_up(FRIDAY).bookings,
    )
    assert history(FRIDAY + timedelta(days=1), SCALES["small"]).bookings != again.bookings


@pytest.mark.parametrize("first", FIRST_DAYS, ids=str)
def test_given_maria_when_she_looks_then_there_is_the_page_s_dentist_and_three_visits_ahead(
    first: date,
) -> None:
    hers = [booking for booking in made_up(first).bookings if booking.patient.startswith("maria.kowalska@")]
    past = [booking for booking in hers if booking.offer.day < first]
    ahead = [booking for booking in hers if booking.offer.day > first]
    [dentist] = [booking.offer for booking in past if booking.offer.service == "dentist"]
    assert (dentist.day.month, dentist.day.day) == (4, 1)
    assert first - timedelta(days=366) <= dentist.day < first
    assert sum(booking.cancelled_at is not None for booking in past) == 2
    assert sum(booking.moved_at is not None for booking in past) == 1
    assert sorted(booking.source for booking in ahead) == [Source.DESK, Source.PORTAL, Source.PORTAL]


def test_given_the_accounts_when_described_then_each_stands_for_a_case() -> None:
    accounts = {patient.given_name: patient for patient in patients(FRIDAY)}
    planned = Counter(b.patient for b in made_up(FRIDAY).bookings if b.offer.day > FRIDAY)
    assert {name for name, p in accounts.items() if p.level is Level.FULL} == {"Maria", "Stanisława"}
    assert not accounts["Jan"].visits
    assert accounts["Emily"].language == "en"
    assert planned[accounts["Emily"].email] == 1
    assert planned[accounts["Piotr"].email] == LIMIT - 1
    assert age_on(FRIDAY, accounts["Kacper"].born) < 18
    assert len(accounts["Stanisława"].visits) > 20
    for patient in accounts.values():
        read = read_pesel(patient.pesel)
        assert (read.birth_date, read.sex) == (patient.born, patient.sex)


def test_given_a_great_many_people_when_they_come_then_each_was_born_before_and_is_nobody_else() -> None:
    people = list(walk_ins(SCALES["large"].people, FRIDAY))
    assert max(person.born for person in people) < FRIDAY - NETWORK_AGE
    assert len({person.pesel for person in people}) == len({person.key for person in people}) == 25_000


def test_given_the_large_scale_when_described_then_it_is_a_hundredth_of_the_network() -> None:
    large = SCALES["large"]
    assert (large.people, large.past_visits, large.open_days) == (25_000, 174_000, 60)
