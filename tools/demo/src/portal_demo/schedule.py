"""Which visits do the demo doctors offer, and since when?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from booking.open_doctor_day.decide import OpenDoctorDay, Session, slot_id
from booking.rules.wall_clock import Hours, instant, slot_starts
from portal_demo.calendar import closed, days, working_days
from portal_demo.doctors import DOCTORS, Doctor, Shift, doctor_id
from portal_demo.network import FACILITIES, SERVICES, ZONE

WARSAW: Final = ZoneInfo(ZONE)
_OPENING_HOUR: Final = time(6)
_PUBLISHED_BEFORE: Final = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Offer:
    """A slot, by the keys of who, what and where."""

    doctor: str
    service: str
    facility: str
    starts_at: datetime
    minutes: int

    @property
    def slot_id(self) -> UUID:
        """Return the id under which booking offers it."""
        facility_id = FACILITIES[self.facility].facility_id
        service_id = SERVICES[self.service].service_id
        return slot_id(doctor_id(self.doctor), facility_id, service_id, self.starts_at)

    @property
    def ends_at(self) -> datetime:
        """Return the first moment after the visit."""
        return self.starts_at + timedelta(minutes=self.minutes)

    @property
    def city(self) -> str:
        """Return where it is."""
        return FACILITIES[self.facility].city

    @property
    def day(self) -> date:
        """Return its date on the wall clock."""
        return self.starts_at.astimezone(WARSAW).date()


@dataclass(frozen=True, slots=True)
class DoctorDay:
    """A doctor's shifts on one date, opened at `opened_at`."""

    doctor: str
    day: date
    shifts: tuple[Shift, ...]
    opened_at: datetime

    @property
    def command(self) -> OpenDoctorDay:
        """Return what opens it."""
        sessions = tuple(
            Session(
                facility_id=FACILITIES[shift.facility].facility_id,
                service_id=SERVICES[shift.service].service_id,
                mode=shift.mode,
                hours=shift.hours,
                minutes=shift.minutes,
                breaks=shift.breaks,
            )
            for shift in self.shifts
        )
        return OpenDoctorDay(doctor_id=doctor_id(self.doctor), day=self.day, sessions=sessions)

    def offers(self) -> list[Offer]:
        """Return its slots, shift by shift."""
        return [offer for shift in self.shifts for offer in _cut(self.doctor, shift, self.day)]


def open_schedule(first: date, number: int) -> Iterator[DoctorDay]:
    """Yield every doctor's days from `first` on: so many working days, and the Saturdays between them."""
    last = working_days(first, number)[-1]
    # Whoever may book on the last day could do so before the first one.
    lead = max(_PUBLISHED_BEFORE, last - first + timedelta(days=1))
    for doctor in DOCTORS.values():
        for day in days(first, last):
            if shifts := shifts_on(doctor, day):
                yield DoctorDay(doctor.key, day, shifts, _opened_at(day, lead))


def past_day(doctor: Doctor, day: date, shift: Shift, begin: int, number: int) -> DoctorDay:
    """Return a day of the past on which so many visits of one shift were offered, from the `begin`th on."""
    offers = _cut(doctor.key, shift, day)[begin : begin + number]
    hours = Hours(_clock(offers[0].starts_at), _clock(offers[-1].ends_at))
    return DoctorDay(doctor.key, day, (replace(shift, hours=hours),), _opened_at(day, _PUBLISHED_BEFORE))


def shifts_on(doctor: Doctor, day: date) -> tuple[Shift, ...]:
    """Return what a doctor's week says about a date."""
    return () if closed(day) else tuple(shift for shift in doctor.shifts if day.weekday() in shift.days)


def number_of_visits(shift: Shift, day: date) -> int:
    """Return how many visits a shift has on a date."""
    return len(slot_starts(day, WARSAW, shift.hours, shift.minutes, shift.breaks))


def _cut(doctor: str, shift: Shift, day: date) -> list[Offer]:
    return [
        Offer(doctor, shift.service, shift.facility, starts_at, shift.minutes)
        for starts_at in slot_starts(day, WARSAW, shift.hours, shift.minutes, shift.breaks)
    ]


def _opened_at(day: date, lead: timedelta) -> datetime:
    return instant(day - lead, _OPENING_HOUR, WARSAW)


def _clock(moment: datetime) -> time:
    return moment.astimezone(WARSAW).time()
