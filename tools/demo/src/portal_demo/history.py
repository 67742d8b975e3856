"""Who has visited whom in the demo network, and who is going to?

Everything follows from the first day and the scale, and lies before the first day's midnight, but for the
visits themselves. No two plans get in each other's way: nobody is refused while it is written.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from operator import attrgetter
from random import Random
from typing import Final
from uuid import UUID

from booking.rules.time_overlap import overlap, span
from booking.rules.wall_clock import instant
from portal_demo.calendar import working_days, working_days_before
from portal_demo.crowd import WalkIn, walk_ins, wants
from portal_demo.doctors import DOCTORS, WANTED, Shift
from portal_demo.network import SERVICES, demo_id
from portal_demo.people import NETWORK_AGE, Patient, Visit, patients
from portal_demo.schedule import (
    WARSAW,
    DoctorDay,
    Offer,
    number_of_visits,
    open_schedule,
    past_day,
    shifts_on,
)
from portal_events.booking import Source
from portal_events.identity import Level


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the network is; days are working days."""

    people: int
    past_visits: int
    past_days: int
    planned_visits: int
    open_days: int


SCALES: Final = {
    "small": Scale(people=500, past_visits=2_000, past_days=120, planned_visits=1_100, open_days=20),
    # A hundredth of a network of 2.5 million patients and 7,000 doctors.
    "large": Scale(people=25_000, past_visits=174_000, past_days=270, planned_visits=20_000, open_days=60),
}

_BOOKED_OF_PAST: Final = 0.85
_MOST_BOOKED: Final = 0.6
_SHORTEST_PAST_DAY: Final = 5  # visits
_WANTED_DAYS: Final = 6
"""For so many working days after the first one the wanted doctors have no time left."""
_FADING_DAYS: Final = 2.0
_UNEVEN_DEMAND: Final = 1.2
"""A Pareto shape: the nearer to 1, the more a few doctors are in demand."""
_CANCELLED: Final = 0.08
_MOVED: Final = 0.06
_LONGEST_NOTICE: Final = timedelta(days=21)
_OFFICE_HOURS: Final = (7, 20)
_TRIES: Final = 20
_REGULARS: Final = 1.25
"""Above 1, some people come more often than others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A visit that somebody booked, moved from `before` or cancelled. `patient` is an e-mail or a key."""

    appointment_id: UUID
    patient: str
    offer: Offer
    source: Source
    level: Level
    booked_at: datetime
    before: Offer | None = None
    moved_at: datetime | None = None
    cancelled_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Everything that has happened in the network up to the first day."""

    opened_at: datetime
    accounts: tuple[Patient, ...]
    people: tuple[WalkIn, ...]
    days: tuple[DoctorDay, ...]
    bookings: tuple[Booking, ...]

    def arrivals(self) -> Iterator[tuple[WalkIn, datetime]]:
        """Yield when each of those without an account first booked; who never did came the day before."""
        first: dict[str, datetime] = {}
        for booking in self.bookings:
            first[booking.patient] = min(booking.booked_at, first.get(booking.patient, booking.booked_at))
        yesterday = self.opened_at + NETWORK_AGE - timedelta(days=1)
        return ((person, first.get(person.key, yesterday)) for person in self.people)


def history(first: date, scale: Scale) -> History:
    """Make up the history of a network that is shown from `first` on."""
    random = Random(f"history/{first}")  # noqa: S311 - made-up visits, no secrets
    accounts = patients(first)
    schedule = list(open_schedule(first, scale.open_days))
    diary = _Diary()
    scripted_days: list[DoctorDay] = []
    scripted: list[Booking] = []
    for patient in accounts:
        for number, visit in enumerate(patient.visits):
            day, booking = _scripted(patient, number, visit, first, random)
            scripted.append(booking)
            scripted_days += [day] if day.day < first else []
            diary.take(booking)
    people = tuple(walk_ins(scale.people, first))
    crowd = _Crowd(people, first, random)
    past = list(_past(first, scale, random, {(day.doctor, day.day) for day in scripted_days}))
    bookings = [*_visits(past, crowd), *_planned(schedule, first, scale, crowd, diary)]
    opened_at = _midnight(first - NETWORK_AGE)
    return History(opened_at, accounts, people, (*scripted_days, *past, *schedule), (*bookings, *scripted))


@dataclass(frozen=True, slots=True)
class _Chance:
    """A visit that may be booked ahead, unless `most` of the shift's visits, the `others`, are booked."""

    turn: float
    offer: Offer
    opened_at: datetime
    others: Sequence[Offer]
    most: float


class _Diary:
    """When doctors are busy: a time that was once booked is not planned again, even if it was given back."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, date], list[Offer]] = defaultdict(list)

    def free(self, offer: Offer) -> bool:
        return all(_apart(offer, other) for other in self._taken[offer.doctor, offer.day])

    def share(self, chance: _Chance) -> float:
        """Return how much of the doctor's time for a service is taken."""
        taken = self._taken[chance.offer.doctor, chance.offer.day]
        return sum(offer.service == chance.offer.service for offer in taken) / len(chance.others)

    def spare(self, chance: _Chance) -> list[Offer]:
        """Return what else of the doctor's day for the same service is free."""
        return [offer for offer in chance.others if _apart(offer, chance.offer) and self.free(offer)]

    def take(self, booking: Booking) -> None:
        for offer in filter(None, (booking.offer, booking.before)):
            self._taken[offer.doctor, offer.day].append(offer)


class _Crowd:
    """People of whom somebody comes to a visit: in their own city, once a day at most."""

    def __init__(self, people: Sequence[WalkIn], first: date, random: Random) -> None:
        self.random = random
        self._people = people
        self._first = first
        self._now = _midnight(first)
        self._fitting: dict[tuple[str, str], list[WalkIn]] = {}
        self._visits: Counter[str] = Counter()
        self._out: set[tuple[str, date]] = set()

    def book(
        self, offer: Offer, opened_at: datetime, spare: Callable[[], Sequence[Offer]] | None
    ) -> Booking | None:
        """Let somebody book it at a desk; one of the spare offers may be the one booked first.

        Without `spare`, nobody gives such a visit back.
        """
        person = self._somebody(offer)
        if person is None:
            return None
        self._visits[person.key] += 1
        self._out.add((person.key, offer.day))
        booking = Booking(
            appointment_id=demo_id(f"appointment/{person.key}/{self._visits[person.key]}"),
            patient=person.key,
            offer=offer,
            source=Source.DESK,
            level=Level.BASIC,
            booked_at=_booked_at(offer, opened_at, self._now, self.random),
        )
        if spare is None:
            return booking
        fate = self.random.random()
        if fate < _CANCELLED:
            return _cancelled(booking, self._now, self.random)
        if fate < _CANCELLED + _MOVED and (others := spare()):
            return _moved(booking, self.random.choice(others), self._now, self.random)
        return booking

    def _somebody(self, offer: Offer) -> WalkIn | None:
        place = (offer.city, offer.service)
        if place not in self._fitting:
            self._fitting[place] = [
                person
                for person in self._people
                if person.city == offer.city and wants(person, offer.service, self._first)
            ]
        fitting = self._fitting[place]
        for _ in range(_TRIES if fitting else 0):
            person = fitting[int(len(fitting) * self.random.random() ** _REGULARS)]
            if (person.key, offer.day) not in self._out:
                return person
        return None


def _scripted(
    patient: Patient, number: int, visit: Visit, first: date, random: Random
) -> tuple[DoctorDay, Booking]:
    """Plan a visit of somebody with an account, and the doctor's day that it needs if it lies in the past."""
    doctor = DOCTORS[visit.doctor]
    shift = doctor.shifts[visit.shift]
    date_ = visit.when(first, shift)
    day = past_day(doctor, date_, shift, visit.slot, _SHORTEST_PAST_DAY)
    offer, other, *_ = day.offers()
    now = _midnight(first)
    booking = Booking(
        appointment_id=demo_id(f"appointment/{patient.email}/{number}"),
        patient=patient.email,
        offer=offer,
        source=visit.source,
        level=patient.level,
        booked_at=_booked_at(offer, day.opened_at, now, random),
        reason=visit.reason,
    )
    if visit.cancelled:
        return day, _cancelled(booking, now, random)
    return day, (_moved(booking, other, now, random) if visit.moved else booking)


def _past(first: date, scale: Scale, random: Random, apart: set[tuple[str, date]]) -> Iterator[DoctorDay]:
    """Yield parts of past days with room for the visits that there were; `apart`: days already opened."""
    shifts = [
        (doctor, day, shift)
        for day in working_days_before(first, scale.past_days)
        for doctor in DOCTORS.values()
        if (doctor.key, day) not in apart
        for shift in _one_after_another(shifts_on(doctor, day))
    ]
    random.shuffle(shifts)
    wanted = math.ceil(scale.past_visits / _BOOKED_OF_PAST)
    number = max(_SHORTEST_PAST_DAY, math.ceil(wanted / len(shifts)))
    for doctor, day, shift in shifts:
        begin = random.randint(0, max(0, number_of_visits(shift, day) - number))
        opened = past_day(doctor, day, shift, begin, number)
        yield opened
        wanted -= len(opened.offers())
        if wanted <= 0:
            return


def _one_after_another(shifts: Sequence[Shift]) -> Iterator[Shift]:
    """Yield a day's shifts that are bookable without a referral, at one of two addresses."""
    for number, shift in enumerate(shifts):
        elsewhere = any(shift.hours == earlier.hours for earlier in shifts[:number])
        if not elsewhere and not SERVICES[shift.service].referral_required:
            yield shift


def _visits(past: Iterable[DoctorDay], crowd: _Crowd) -> Iterator[Booking]:
    """Let people come to most of the visits that were offered in the past."""
    for day in past:
        offers = day.offers()
        crowd.random.shuffle(offers)
        number = sum(crowd.random.random() < _BOOKED_OF_PAST for _ in offers)
        wanted, spare = offers[:number], offers[number:]
        for offer in wanted:
            booking = crowd.book(offer, day.opened_at, partial(list, spare))
            if booking is None:
                continue
            if booking.before is not None:
                spare.remove(booking.before)
            yield booking


def _planned(
    schedule: Iterable[DoctorDay], first: date, scale: Scale, crowd: _Crowd, diary: _Diary
) -> Iterator[Booking]:
    """Let people book ahead: the wanted doctors to the last visit, the others less the later it is."""
    number = 0
    for chance in sorted(_chances(schedule, first, scale, crowd.random), key=attrgetter("turn")):
        if not diary.free(chance.offer) or diary.share(chance) >= chance.most:
            continue
        spare = None if chance.most == 1 else partial(diary.spare, chance)
        booking = crowd.book(chance.offer, chance.opened_at, spare)
        if booking is None:
            continue
        diary.take(booking)
        yield booking
        number += 1
        if number == scale.planned_visits:
            return


def _chances(schedule: Iterable[DoctorDay], first: date, scale: Scale, random: Random) -> Iterator[_Chance]:
    """Yield the visits that may be booked ahead: in which order, says chance weighted by demand."""
    tomorrow = first + timedelta(days=1)
    ahead = {day: n for n, day in enumerate(working_days(tomorrow, scale.open_days), start=1)}
    demand = {key: random.paretovariate(_UNEVEN_DEMAND) for key in DOCTORS}
    for day in schedule:
        number = ahead.get(day.day)
        if number is None:
            continue  # today is for those who look at the portal, and so are Saturdays
        sold_out = day.doctor in WANTED and number <= _WANTED_DAYS
        weight = demand[day.doctor] * math.exp(-number / _FADING_DAYS)
        for shift in _one_after_another(day.shifts):
            others = replace(day, shifts=(shift,)).offers()
            for offer in others:
                # Weighted sampling without replacement (Efraimidis and Spirakis, 2006), as arrival times.
                turn = 0.0 if sold_out else random.expovariate(weight)
                yield _Chance(turn, offer, day.opened_at, others, 1 if sold_out else _MOST_BOOKED)


def _moment(random: Random, after: datetime, before: datetime) -> datetime:
    """Return a moment between the two, in office hours if they have any."""
    moment = after + random.random() * (before - after)
    hour, minute = random.randrange(*_OFFICE_HOURS), random.randrange(60)
    in_office_hours = instant(
        moment.astimezone(WARSAW).date(), time(hour, minute, random.randrange(60)), WARSAW
    )
    return in_office_hours if after < in_office_hours < before else moment


def _booked_at(offer: Offer, opened_at: datetime, now: datetime, random: Random) -> datetime:
    before = min(now, offer.starts_at)
    return _moment(random, max(opened_at, before - _LONGEST_NOTICE), before)


def _cancelled(booking: Booking, now: datetime, random: Random) -> Booking:
    before = min(now, booking.offer.starts_at)
    return replace(booking, cancelled_at=_moment(random, booking.booked_at, before))


def _moved(booking: Booking, other: Offer, now: datetime, random: Random) -> Booking:
    """Let it have been booked for another visit first, if that one was ahead then."""
    before = min(now, booking.offer.starts_at, other.starts_at)
    if before <= booking.booked_at:
        return booking
    return replace(booking, before=other, moved_at=_moment(random, booking.booked_at, before))


def _apart(offer: Offer, other: Offer) -> bool:
    return not overlap(span(offer.starts_at, offer.minutes), span(other.starts_at, other.minutes))


def _midnight(day: date) -> datetime:
    return instant(day, time.min, WARSAW)
