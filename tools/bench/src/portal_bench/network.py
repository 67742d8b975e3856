"""Which clinics do the large views show? Facilities in cities of uneven size, and who works there."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from portal_events.booking import (
    AppointmentBooked,
    DoctorAdded,
    DoctorDayOpened,
    FacilityAdded,
    Mode,
    ServiceAdded,
    ServiceKind,
    Slot,
    Source,
)
from portal_events.identity import Level

DOCTORS: Final = 7_000
FACILITIES: Final = 270
CITIES: Final = 40
SERVICES: Final = 40
DAYS: Final = 60
SLOTS_A_DAY: Final = 14
TAKEN: Final = 6
"""One slot of so many is booked."""

ZONE: Final = "Europe/Warsaw"
_MINUTES: Final = 30
_FRIDAY: Final = 4
_MODES: Final = (Mode.IN_PERSON,) * 8 + (Mode.TELEPHONE, Mode.VIDEO)
_LANGUAGES: Final = (("pl",),) * 6 + (("pl", "en"),) * 3 + (("pl", "uk"),)


@dataclass(frozen=True, slots=True)
class Doctor:
    """One doctor, who offers one service at one facility every working day, from `hour` (UTC)."""

    id: UUID
    service: UUID
    facility: UUID
    city: str
    mode: Mode
    languages: tuple[str, ...]
    hour: int


class Network:
    """A network of so many doctors, everything else in proportion. Networks of other `number` share no id."""

    def __init__(self, doctors: int, number: int) -> None:
        self._base = number << 96
        chance = random.Random(number)
        facilities = max(3, doctors * FACILITIES // DOCTORS)
        cities = [f"Miasto {n}" for n in range(min(CITIES, facilities))]
        sizes = [1 / (n + 1) for n in range(len(cities))]
        services = [self._id(1, n) for n in range(min(SERVICES, doctors))]
        self.places = [
            (self._id(2, n), cities[n] if n < len(cities) else chance.choices(cities, sizes)[0])
            for n in range(facilities)
        ]
        self.doctors = []
        for n in range(doctors):
            facility, city = chance.choice(self.places)
            self.doctors.append(
                Doctor(
                    self._id(3, n),
                    services[n % len(services)],
                    facility,
                    city,
                    chance.choice(_MODES),
                    chance.choice(_LANGUAGES),
                    chance.choice((7, 12)),
                )
            )
        self.services = services

    def members(self) -> Iterator[ServiceAdded | FacilityAdded | DoctorAdded]:
        """Yield how the network came to be."""
        for n, service in enumerate(self.services):
            yield _service(service, f"Usługa {n}")
        for n, (facility, city) in enumerate(self.places):
            yield _facility(facility, city, n)
        for n, doctor in enumerate(self.doctors):
            yield DoctorAdded(
                doctor_id=doctor.id, name=f"lek. med. Anna {n:05}", pwz="5425740", languages=doctor.languages
            )

    def days(self, dates: list[date]) -> Iterator[DoctorDayOpened]:
        """Yield the doctors' days, unchecked: they are many."""
        for place, doctor in enumerate(self.doctors):
            for day in dates:
                slots = tuple(
                    Slot.model_construct(
                        slot_id=self._id(4, (place * 1000 + day.toordinal() % 1000) * 100 + n),
                        service_id=doctor.service,
                        facility_id=doctor.facility,
                        mode=doctor.mode,
                        starts_at=starts_at,
                        minutes=_MINUTES,
                    )
                    for n, starts_at in enumerate(_starts(day, doctor.hour))
                )
                yield DoctorDayOpened.model_construct(doctor_id=doctor.id, date=day, zone=ZONE, slots=slots)

    def visits(self, dates: list[date]) -> Iterator[AppointmentBooked]:
        """Yield the bookings of one slot in `TAKEN`, unchecked."""
        number = 0
        for doctor in self.doctors:
            for day in dates:
                for starts_at in _starts(day, doctor.hour):
                    number += 1
                    if number % TAKEN == 0:
                        yield AppointmentBooked.model_construct(
                            appointment_id=self._id(5, number),
                            slot_id=self._id(6, number),
                            patient_id=self._id(7, number),
                            doctor_id=doctor.id,
                            service_id=doctor.service,
                            facility_id=doctor.facility,
                            mode=doctor.mode,
                            starts_at=starts_at,
                            minutes=_MINUTES,
                            zone=ZONE,
                            source=Source.PORTAL,
                        )

    def _id(self, kind: int, number: int) -> UUID:
        return UUID(int=self._base | kind << 64 | number)


def working_days(first: date) -> list[date]:
    """Return the Mondays to Fridays that are searched."""
    days = (first + timedelta(days=n) for n in range(2 * DAYS))
    return [day for day in days if day.weekday() <= _FRIDAY][:DAYS]


def _starts(day: date, hour: int) -> list[datetime]:
    first = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    return [first + timedelta(minutes=_MINUTES * n) for n in range(SLOTS_A_DAY)]


def _service(service_id: UUID, name: str) -> ServiceAdded:
    return ServiceAdded(
        service_id=service_id,
        name=name,
        name_en=name,
        kind=ServiceKind.CONSULTATION,
        modes=tuple(Mode),
        levels=tuple(Level),
        referral_required=False,
        price=19900,
        covered=False,
        preparation="",
        preparation_en="",
    )


def _facility(facility_id: UUID, city: str, number: int) -> FacilityAdded:
    return FacilityAdded(
        facility_id=facility_id,
        name=f"Zdrovia {number}",
        street=f"ul. Długa {number}",
        postal_code="00-001",
        city=city,
        zone=ZONE,
        phone="+48220000000",
        partner=False,
    )
