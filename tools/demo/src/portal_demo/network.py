"""What does the demo network consist of?

Ids are UUIDv5 of names, so that seeding again finds what is there. Everything follows from the first day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Final
from uuid import UUID, uuid5

from booking.add_doctor.decide import AddDoctor
from booking.add_facility.decide import AddFacility
from booking.add_service.decide import AddService
from booking.open_doctor_day.decide import OpenDoctorDay, Session
from booking.rules.wall_clock import Hours
from portal_events.booking import Mode

NAMESPACE: Final = UUID("c1a0c0de-5e1f-5d3a-8f3e-2d7a4b6c9e10")
ZONE: Final = "Europe/Warsaw"
WORKING_DAYS: Final = 10
_FRIDAY: Final = 4


def demo_id(name: str) -> UUID:
    """Return the id that this part of the demo has in every portal."""
    return uuid5(NAMESPACE, name)


# id, Polish name, English name, price in grosze
_SERVICES: Final = (
    ("internist", "Internista", "Internist", 19900),
    ("paediatrician", "Pediatra", "Paediatrician", 20900),
    ("dentist", "Stomatolog", "Dentist", 24900),
    ("gynaecologist", "Ginekolog", "Gynaecologist", 25900),
    ("dermatologist", "Dermatolog", "Dermatologist", 23900),
    ("cardiologist", "Kardiolog", "Cardiologist", 27900),
    ("ophthalmologist", "Okulista", "Ophthalmologist", 22900),
    ("telephone", "Konsultacja telefoniczna", "Telephone consultation", 9900),
)

_FACILITIES: Final = (
    ("ochota", "Zdrovia Ochota", "ul. 1 Sierpnia 8", "Warszawa"),
    ("mokotow", "Zdrovia Mokotów", "ul. Domaniewska 41B", "Warszawa"),
    ("wola", "Zdrovia Wola", "ul. Prosta 51", "Warszawa"),
    ("kazimierz", "Zdrovia Kazimierz", "ul. Dietla 60", "Kraków"),
    ("krowodrza", "Zdrovia Krowodrza", "ul. Armii Krajowej 11", "Kraków"),
    ("wrzeszcz", "Zdrovia Wrzeszcz", "al. Grunwaldzka 103A", "Gdańsk"),
)


@dataclass(frozen=True, slots=True)
class Shift:
    """Hours that a doctor works every working day."""

    facility: str
    service: str
    hours: Hours
    minutes: int
    mode: Mode = Mode.IN_PERSON
    breaks: tuple[Hours, ...] = ()


@dataclass(frozen=True, slots=True)
class Doctor:
    """A doctor and the week that repeats."""

    key: str
    name: str
    pwz: str
    languages: tuple[str, ...]
    shifts: tuple[Shift, ...]


def _morning(facility: str, service: str, minutes: int, mode: Mode = Mode.IN_PERSON) -> Shift:
    return Shift(facility, service, Hours(time(8), time(14)), minutes, mode, (Hours(time(11), time(11, 30)),))


def _afternoon(facility: str, service: str, minutes: int, mode: Mode = Mode.IN_PERSON) -> Shift:
    return Shift(
        facility, service, Hours(time(13), time(19)), minutes, mode, (Hours(time(16), time(16, 20)),)
    )


def _by_telephone(facility: str, hours: Hours) -> Shift:
    return Shift(facility, "telephone", hours, 15, Mode.TELEPHONE)


_POLISH: Final = ("pl",)
_BOTH: Final = ("pl", "en")
_EVENING: Final = Hours(time(18), time(23))

DOCTORS: Final = (
    # The same hours at two addresses: whichever is booked takes the other with it.
    Doctor(
        "nowak",
        "lek. med. Anna Nowak",
        "5425740",
        _BOTH,
        (Shift("ochota", "internist", _EVENING, 15), Shift("mokotow", "internist", _EVENING, 15)),
    ),
    Doctor(
        "zielinski", "lek. med. Tomasz Zieliński", "6007919", _POLISH, (_morning("wola", "internist", 15),)
    ),
    Doctor(
        "wojcik",
        "lek. med. Katarzyna Wójcik",
        "2015838",
        _BOTH,
        (_by_telephone("ochota", Hours(time(7), time(13))),),
    ),
    Doctor("lis", "lek. dent. Ewa Lis", "9023757", _BOTH, (_morning("mokotow", "dentist", 30),)),
    Doctor("mazur", "lek. dent. Piotr Mazur", "5031676", _POLISH, (_afternoon("krowodrza", "dentist", 30),)),
    Doctor(
        "krawczyk",
        "lek. med. Joanna Krawczyk",
        "7039595",
        _BOTH,
        (_morning("kazimierz", "paediatrician", 20),),
    ),
    Doctor(
        "pawlak",
        "dr n. med. Michał Pawlak",
        "1047514",
        _POLISH,
        (_afternoon("wrzeszcz", "cardiologist", 20),),
    ),
    Doctor(
        "sikora",
        "lek. med. Magdalena Sikora",
        "8055433",
        _BOTH,
        (_morning("ochota", "gynaecologist", 20), _afternoon("wola", "gynaecologist", 20)),
    ),
    Doctor(
        "duda",
        "lek. med. Paweł Duda",
        "4063352",
        _BOTH,
        (
            _morning("krowodrza", "dermatologist", 15),
            Shift("krowodrza", "dermatologist", Hours(time(17), time(20)), 15, Mode.VIDEO),
        ),
    ),
    Doctor(
        "borkowska",
        "lek. med. Agnieszka Borkowska",
        "2079190",
        _POLISH,
        (_afternoon("mokotow", "ophthalmologist", 20),),
    ),
    Doctor(
        "czarnecki",
        "dr hab. n. med. Adam Czarnecki",
        "7087109",
        _BOTH,
        (_morning("kazimierz", "cardiologist", 30),),
    ),
    Doctor(
        "wrona",
        "lek. med. Zofia Wrona",
        "3095028",
        _BOTH,
        (
            _morning("wrzeszcz", "internist", 15),
            _by_telephone("wrzeszcz", Hours(time(15), time(19))),
        ),
    ),
)


def services() -> Iterator[AddService]:
    """Yield what the network offers."""
    for key, name, name_en, price in _SERVICES:
        yield AddService(service_id=demo_id(f"service/{key}"), name=name, name_en=name_en, price=price)


def facilities() -> Iterator[AddFacility]:
    """Yield where it offers it."""
    for key, name, street, city in _FACILITIES:
        yield AddFacility(
            facility_id=demo_id(f"facility/{key}"), name=name, street=street, city=city, zone=ZONE
        )


def doctors() -> Iterator[AddDoctor]:
    """Yield who works for it."""
    for doctor in DOCTORS:
        yield AddDoctor(
            doctor_id=demo_id(f"doctor/{doctor.key}"),
            name=doctor.name,
            pwz=doctor.pwz,
            languages=doctor.languages,
        )


def doctor_days(first: date) -> Iterator[OpenDoctorDay]:
    """Yield every doctor's working days."""
    for doctor in DOCTORS:
        sessions = tuple(
            Session(
                facility_id=demo_id(f"facility/{shift.facility}"),
                service_id=demo_id(f"service/{shift.service}"),
                mode=shift.mode,
                hours=shift.hours,
                minutes=shift.minutes,
                breaks=shift.breaks,
            )
            for shift in doctor.shifts
        )
        for day in working_days(first):
            yield OpenDoctorDay(doctor_id=demo_id(f"doctor/{doctor.key}"), day=day, sessions=sessions)


def working_days(first: date) -> list[date]:
    """Return the Mondays to Fridays from `first`, itself included."""
    days = (first + timedelta(days=n) for n in range(2 * WORKING_DAYS))
    return [day for day in days if day.weekday() <= _FRIDAY][:WORKING_DAYS]
