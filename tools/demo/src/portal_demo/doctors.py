"""Who works in the demo network, and when?

A doctor has a week that repeats. Most work in the morning on some days and late on the others, so that each
speciality has every part of the day somewhere in the week.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time
from itertools import chain
from typing import Final
from uuid import UUID

from booking.add_doctor.decide import AddDoctor
from booking.rules.pwz import pwz_valid
from booking.rules.wall_clock import Hours
from portal_demo.network import demo_id
from portal_events.booking import Mode

_MONDAY, _TUESDAY, _WEDNESDAY, _THURSDAY, _FRIDAY, _SATURDAY = range(6)
_ODD_DAYS: Final = (_MONDAY, _WEDNESDAY, _FRIDAY)
_EVEN_DAYS: Final = (_TUESDAY, _THURSDAY)
_WORKING_DAYS: Final = (_MONDAY, _TUESDAY, _WEDNESDAY, _THURSDAY, _FRIDAY)

MINUTES: Final = {
    "paediatrician": 20,
    "gynaecologist": 20,
    "cardiologist": 20,
    "ophthalmologist": 20,
    "neurologist": 30,
    "endocrinologist": 20,
    "gastroenterologist": 30,
    "urologist": 20,
    "psychiatrist": 45,
    "psychologist": 50,
    "allergist": 20,
    "surgeon": 20,
    "dietitian": 40,
    "dentist": 30,
    "scaling": 45,
    "endodontics": 60,
    "orthodontist": 30,
    "blood-test": 10,
    "echocardiography": 30,
    "abdominal-ultrasound": 20,
    "thyroid-ultrasound": 20,
    "chest-x-ray": 10,
    "gastroscopy": 30,
    "colonoscopy": 60,
    "flu-vaccination": 10,
    "tick-vaccination": 10,
    "hpv-vaccination": 10,
    "exercise-therapy": 60,
    "manual-therapy": 45,
    "therapeutic-massage": 30,
    "occupational-initial": 30,
    "occupational-periodic": 20,
    "occupational-follow-up": 20,
}
"""How long a visit takes, by service; any other one 15 minutes."""

_USUAL_MINUTES: Final = 15


@dataclass(frozen=True, slots=True)
class Shift:
    """Hours that a doctor works for one service on some days of every week (Monday is 0)."""

    facility: str
    service: str
    days: tuple[int, ...]
    hours: Hours
    mode: Mode = Mode.IN_PERSON
    breaks: tuple[Hours, ...] = ()

    @property
    def minutes(self) -> int:
        """Return how long a visit takes."""
        return MINUTES.get(self.service, _USUAL_MINUTES)


@dataclass(frozen=True, slots=True)
class Doctor:
    """Somebody who works for the network; languages are ISO 639-1 codes."""

    key: str
    name: str
    languages: tuple[str, ...]
    shifts: tuple[Shift, ...]


def _hours(since: int, until: int) -> Hours:
    """Return hours on the clock, on the hour."""
    return Hours(time(since), time(until))


_LATE_MORNING_BREAK: Final = (Hours(time(11), time(11, 20)),)
_TEA: Final = (Hours(time(16), time(16, 15)),)


def _morning(facility: str, service: str, days: tuple[int, ...] = _WORKING_DAYS) -> Shift:
    return Shift(facility, service, days, _hours(8, 14), breaks=_LATE_MORNING_BREAK)


def _late(facility: str, service: str, days: tuple[int, ...] = _WORKING_DAYS) -> Shift:
    return Shift(facility, service, days, _hours(14, 20), breaks=_TEA)


def _saturday(facility: str, service: str, mode: Mode = Mode.IN_PERSON) -> Shift:
    return Shift(facility, service, (_SATURDAY,), _hours(9, 13), mode)


def _alternating(facility: str, service: str) -> tuple[Shift, ...]:
    """Begin the week in the morning."""
    return (_morning(facility, service, _ODD_DAYS), _late(facility, service, _EVEN_DAYS))


def _late_first(facility: str, service: str) -> tuple[Shift, ...]:
    """Begin the week in the afternoon."""
    return (_late(facility, service, _ODD_DAYS), _morning(facility, service, _EVEN_DAYS))


def _travelling(home: str, in_krakow: str, in_gdansk: str, service: str) -> tuple[Shift, ...]:
    """Serve all three cities, each on days of its own."""
    return (
        _morning(home, service, (_MONDAY, _WEDNESDAY)),
        _late(home, service, (_TUESDAY,)),
        _late(in_krakow, service, (_THURSDAY,)),
        _morning(in_gdansk, service, (_FRIDAY,)),
    )


def _at(
    facility: str,
    service: str,
    days: tuple[int, ...],
    since: int,
    until: int,
    mode: Mode = Mode.IN_PERSON,
) -> Shift:
    """Give some hours to something else than the usual."""
    return Shift(facility, service, days, _hours(since, until), mode)


def _by_telephone(facility: str, since: int, until: int, days: tuple[int, ...] = _WORKING_DAYS) -> Shift:
    return Shift(facility, "telephone", days, _hours(since, until), Mode.TELEPHONE)


def _by_video(
    facility: str, service: str, since: int, until: int, days: tuple[int, ...] = _EVEN_DAYS
) -> Shift:
    return Shift(facility, service, days, _hours(since, until), Mode.VIDEO)


def _doctor(key: str, name: str, languages: str, *shifts: Shift | tuple[Shift, ...]) -> Doctor:
    weeks = ((shift,) if isinstance(shift, Shift) else shift for shift in shifts)
    return Doctor(key, name, tuple(languages.split()), tuple(chain.from_iterable(weeks)))


_WARSAW: Final = (
    # The same hours at two addresses: whichever is booked takes the other with it.
    _doctor(
        "nowak",
        "lek. med. Anna Nowak",
        "pl en",
        _at("ochota", "internist", _WORKING_DAYS, 18, 23),
        _at("mokotow", "internist", _WORKING_DAYS, 18, 23),
    ),
    _doctor(
        "zielinski",
        "lek. med. Tomasz Zieliński",
        "pl",
        _morning("wola", "internist"),
        _by_video("wola", "internist", 17, 19),
    ),
    _doctor(
        "petrenko",
        "lek. med. Oksana Petrenko",
        "uk pl en",
        _late_first("ochota", "internist"),
        _at("ochota", "internist", _EVEN_DAYS, 15, 17, Mode.TELEPHONE),
        _at("ochota", "ecg", _ODD_DAYS, 12, 14),
    ),
    _doctor(
        "wojcik",
        "lek. med. Katarzyna Wójcik",
        "pl en",
        _by_telephone("ochota", 7, 13),
        _saturday("ochota", "telephone", Mode.TELEPHONE),
    ),
    _doctor("kaczmarek", "lek. med. Robert Kaczmarek", "pl en de", _by_telephone("wola", 15, 21)),
    _doctor(
        "glowacka",
        "lek. med. Marta Głowacka",
        "pl en",
        _alternating("mokotow", "family"),
        _at("mokotow", "flu-vaccination", _ODD_DAYS, 14, 16),
        _at("mokotow", "tick-vaccination", _EVEN_DAYS, 12, 14),
        _by_video("mokotow", "family", 17, 19, (_MONDAY, _WEDNESDAY)),
    ),
    _doctor(
        "jaworska",
        "lek. med. Monika Jaworska",
        "pl en",
        _alternating("mokotow", "paediatrician"),
        _at("mokotow", "hpv-vaccination", _ODD_DAYS, 14, 15),
    ),
    _doctor(
        "kubiak",
        "dr n. med. Andrzej Kubiak",
        "pl",
        _late_first("wola", "paediatrician"),
        _saturday("wola", "paediatrician"),
    ),
    _doctor("lis", "lek. dent. Ewa Lis", "pl en", _morning("mokotow", "dentist")),
    _doctor(
        "wilk",
        "lek. dent. Bartosz Wilk",
        "pl en",
        _late("wola", "dentist"),
        _at("wola", "scaling", _ODD_DAYS, 11, 14),
        _saturday("wola", "dentist"),
    ),
    _doctor(
        "maciejewska",
        "dr n. med. Hanna Maciejewska",
        "pl en de",
        _at("ochota", "dentist", _ODD_DAYS, 9, 13),
        _at("ochota", "endodontics", _ODD_DAYS, 13, 17),
        _at("ochota", "endodontics", _EVEN_DAYS, 14, 20),
    ),
    _doctor(
        "rutkowska",
        "lek. dent. Karolina Rutkowska",
        "pl en",
        _travelling("targowek", "kazimierz", "wrzeszcz", "orthodontist"),
    ),
    _doctor(
        "sikora",
        "lek. med. Magdalena Sikora",
        "pl en",
        _morning("ochota", "gynaecologist"),
        _at("wola", "gynaecologist", _EVEN_DAYS, 15, 19),
    ),
    _doctor("baran", "dr n. med. Krzysztof Baran", "pl", _late_first("mokotow", "gynaecologist")),
    _doctor("wysocka", "dr n. med. Aleksandra Wysocka", "pl en", _alternating("wola", "dermatologist")),
    _doctor(
        "sadowski",
        "lek. med. Jakub Sadowski",
        "pl en",
        _late_first("ochota", "dermatologist"),
        _by_video("ochota", "dermatologist", 17, 19),
    ),
    _doctor("gorski", "dr hab. n. med. Stanisław Górski", "pl en", _morning("mokotow", "cardiologist")),
    _doctor(
        "bak",
        "lek. med. Natalia Bąk",
        "pl en",
        _alternating("wola", "cardiologist"),
        _at("wola", "ecg", _ODD_DAYS, 14, 15),
        _at("wola", "echocardiography", _EVEN_DAYS, 11, 14),
    ),
    _doctor("borkowska", "lek. med. Agnieszka Borkowska", "pl en", _late_first("mokotow", "ophthalmologist")),
    # Two addresses again.
    _doctor(
        "szulc",
        "lek. med. Marcin Szulc",
        "pl en",
        _alternating("ochota", "orthopaedist"),
        _late("targowek", "orthopaedist", _EVEN_DAYS),
    ),
    _doctor("zawadzka", "lek. med. Beata Zawadzka", "pl en", _alternating("wola", "ent")),
    _doctor("malinowski", "dr n. med. Grzegorz Malinowski", "pl en", _late_first("ochota", "neurologist")),
    _doctor(
        "sobczak",
        "dr n. med. Iwona Sobczak",
        "pl en",
        _alternating("mokotow", "endocrinologist"),
        _at("mokotow", "endocrinologist", _ODD_DAYS, 16, 18, Mode.TELEPHONE),
        _at("mokotow", "thyroid-ultrasound", _EVEN_DAYS, 10, 13),
        _saturday("przymorze", "endocrinologist"),
    ),
    _doctor(
        "czerwinski",
        "lek. med. Rafał Czerwiński",
        "pl en",
        _late("wola", "gastroenterologist", _EVEN_DAYS),
        _at("wola", "gastroscopy", _ODD_DAYS, 8, 12),
        _at("wola", "colonoscopy", _ODD_DAYS, 12, 16),
        _at("krowodrza", "gastroenterologist", (_SATURDAY,), 8, 10),
        _at("krowodrza", "gastroscopy", (_SATURDAY,), 10, 13),
        _at("krowodrza", "colonoscopy", (_SATURDAY,), 13, 16),
    ),
    _doctor(
        "urban",
        "lek. med. Dariusz Urban",
        "pl en",
        _travelling("ochota", "krowodrza", "przymorze", "urologist"),
    ),
    _doctor(
        "kalinowska",
        "lek. med. Justyna Kalinowska",
        "pl en uk",
        _alternating("mokotow", "psychiatrist"),
        _by_video("mokotow", "psychiatrist", 16, 19, _ODD_DAYS),
        _saturday("wrzeszcz", "psychiatrist"),
    ),
    _doctor(
        "laskowska",
        "mgr Weronika Laskowska",
        "pl en",
        _late_first("wola", "psychologist"),
        _by_video("wola", "psychologist", 16, 20),
        _saturday("kazimierz", "psychologist"),
    ),
    _doctor(
        "chmielewski",
        "lek. med. Kamil Chmielewski",
        "pl en",
        _travelling("targowek", "krowodrza", "wrzeszcz", "allergist"),
    ),
    _doctor(
        "kolodziej",
        "dr n. med. Wojciech Kołodziej",
        "pl",
        _travelling("targowek", "kazimierz", "przymorze", "surgeon"),
    ),
    _doctor(
        "szymczak",
        "mgr Patrycja Szymczak",
        "pl en",
        _travelling("ochota", "kazimierz", "wrzeszcz", "dietitian"),
        _by_video("ochota", "dietitian", 16, 20, (_MONDAY, _WEDNESDAY)),
    ),
    _doctor(
        "michalak",
        "lek. med. Łukasz Michalak",
        "pl en",
        _alternating("wola", "abdominal-ultrasound"),
        _at("wola", "thyroid-ultrasound", _ODD_DAYS, 14, 16),
        _at("wola", "chest-x-ray", _EVEN_DAYS, 9, 13),
    ),
    _doctor(
        "gajewski",
        "mgr Szymon Gajewski",
        "pl en",
        _late_first("targowek", "exercise-therapy"),
        _at("targowek", "manual-therapy", _ODD_DAYS, 9, 13),
        _at("targowek", "therapeutic-massage", _EVEN_DAYS, 15, 19),
    ),
    _doctor(
        "przybylska",
        "lek. med. Danuta Przybylska",
        "pl en",
        _at("wola", "occupational-initial", _WORKING_DAYS, 8, 12),
        _at("wola", "occupational-periodic", _ODD_DAYS, 12, 16),
        _at("wola", "occupational-follow-up", _EVEN_DAYS, 12, 16),
    ),
    _doctor(
        "stepien",
        "mgr Elżbieta Stępień",
        "pl en",
        _at("ochota", "blood-test", _WORKING_DAYS, 7, 11),
        _saturday("ochota", "blood-test"),
    ),
)

_KRAKOW: Final = (
    _doctor(
        "piatek",
        "lek. med. Zbigniew Piątek",
        "pl en",
        _alternating("kazimierz", "internist"),
        _saturday("kazimierz", "internist"),
        _at("kazimierz", "occupational-initial", _EVEN_DAYS, 8, 10),
        _at("kazimierz", "occupational-periodic", _EVEN_DAYS, 10, 13),
        _at("kazimierz", "occupational-follow-up", _EVEN_DAYS, 13, 14),
    ),
    _doctor(
        "kovalenko",
        "lek. med. Olena Kovalenko",
        "uk pl en",
        _late("krowodrza", "internist"),
        _by_telephone("krowodrza", 8, 12),
    ),
    _doctor(
        "adamska",
        "lek. med. Sylwia Adamska",
        "pl en",
        _alternating("krowodrza", "family"),
        _at("krowodrza", "flu-vaccination", _EVEN_DAYS, 11, 13),
        _at("krowodrza", "tick-vaccination", _ODD_DAYS, 14, 15),
        _by_telephone("krowodrza", 17, 20, _ODD_DAYS),
    ),
    _doctor(
        "krawczyk",
        "lek. med. Joanna Krawczyk",
        "pl en",
        _alternating("kazimierz", "paediatrician"),
        _by_video("kazimierz", "paediatrician", 17, 19, (_MONDAY, _WEDNESDAY)),
        _at("kazimierz", "hpv-vaccination", _EVEN_DAYS, 12, 13),
    ),
    _doctor("mazur", "lek. dent. Piotr Mazur", "pl", _late("krowodrza", "dentist")),
    _doctor(
        "zajac",
        "lek. dent. Dominika Zając",
        "pl en",
        _late_first("kazimierz", "dentist"),
        _at("kazimierz", "endodontics", _EVEN_DAYS, 15, 19),
        _at("kazimierz", "scaling", _ODD_DAYS, 9, 12),
        _saturday("kazimierz", "dentist"),
    ),
    _doctor("sawicka", "lek. med. Renata Sawicka", "pl en", _late_first("krowodrza", "gynaecologist")),
    # The late hours again at two addresses.
    _doctor(
        "duda",
        "lek. med. Paweł Duda",
        "pl en",
        _alternating("krowodrza", "dermatologist"),
        _late("kazimierz", "dermatologist", _EVEN_DAYS),
        _by_video("krowodrza", "dermatologist", 17, 20, _ODD_DAYS),
    ),
    _doctor(
        "czarnecki",
        "dr hab. n. med. Adam Czarnecki",
        "pl en",
        _alternating("kazimierz", "cardiologist"),
        _at("kazimierz", "ecg", _EVEN_DAYS, 12, 14),
        _at("kazimierz", "echocardiography", _ODD_DAYS, 15, 18),
    ),
    _doctor("tomczak", "lek. med. Izabela Tomczak", "pl en", _late_first("kazimierz", "ophthalmologist")),
    _doctor("koziel", "dr n. med. Mateusz Kozieł", "pl en", _alternating("krowodrza", "orthopaedist")),
    _doctor("nowicka", "lek. med. Julia Nowicka", "pl en", _late_first("kazimierz", "ent")),
    _doctor("wroblewski", "lek. med. Filip Wróblewski", "pl en de", _alternating("krowodrza", "neurologist")),
    _doctor(
        "marek",
        "lek. med. Lucyna Marek",
        "pl",
        _late_first("kazimierz", "endocrinologist"),
        _at("kazimierz", "thyroid-ultrasound", _ODD_DAYS, 11, 13),
    ),
    _doctor(
        "bielecki",
        "lek. med. Oskar Bielecki",
        "pl en",
        _late_first("kazimierz", "psychiatrist"),
        _by_video("kazimierz", "psychiatrist", 16, 19),
    ),
    _doctor(
        "dudek",
        "dr n. med. Halina Dudek",
        "pl en",
        _alternating("krowodrza", "abdominal-ultrasound"),
        _at("krowodrza", "chest-x-ray", _EVEN_DAYS, 10, 13),
    ),
    _doctor(
        "orzechowska",
        "mgr Natalia Orzechowska",
        "pl en",
        _alternating("krowodrza", "exercise-therapy"),
        _at("krowodrza", "therapeutic-massage", _EVEN_DAYS, 10, 13),
        _at("krowodrza", "manual-therapy", _ODD_DAYS, 15, 18),
    ),
    _doctor(
        "kurek",
        "mgr Wiesław Kurek",
        "pl",
        _at("kazimierz", "blood-test", _WORKING_DAYS, 7, 11),
    ),
)

_GDANSK: Final = (
    _doctor(
        "wrona",
        "lek. med. Zofia Wrona",
        "pl en",
        _morning("wrzeszcz", "internist"),
        _by_telephone("wrzeszcz", 15, 19),
        _saturday("wrzeszcz", "internist"),
    ),
    _doctor(
        "becker",
        "lek. med. Thomas Becker",
        "de pl en",
        _late_first("przymorze", "internist"),
        _by_telephone("przymorze", 9, 13, _ODD_DAYS),
    ),
    _doctor(
        "krajewska",
        "lek. med. Aneta Krajewska",
        "pl en",
        _alternating("przymorze", "family"),
        _at("przymorze", "flu-vaccination", _EVEN_DAYS, 12, 14),
        _at("przymorze", "tick-vaccination", _EVEN_DAYS, 11, 12),
        _at("przymorze", "occupational-initial", _ODD_DAYS, 14, 16),
        _at("przymorze", "occupational-periodic", _ODD_DAYS, 16, 18),
        _at("przymorze", "occupational-follow-up", _ODD_DAYS, 18, 19),
    ),
    _doctor(
        "formela",
        "lek. med. Magdalena Formela",
        "pl en",
        _late_first("wrzeszcz", "paediatrician"),
        _at("wrzeszcz", "hpv-vaccination", _ODD_DAYS, 13, 14),
    ),
    _doctor(
        "kreft",
        "lek. dent. Adrian Kreft",
        "pl en",
        _alternating("wrzeszcz", "dentist"),
        _at("wrzeszcz", "endodontics", _ODD_DAYS, 15, 19),
    ),
    _doctor(
        "bober",
        "lek. dent. Sandra Bober",
        "pl",
        _late_first("przymorze", "dentist"),
        _at("przymorze", "scaling", _ODD_DAYS, 10, 13),
    ),
    _doctor("labuda", "lek. med. Alicja Labuda", "pl en", _alternating("wrzeszcz", "gynaecologist")),
    _doctor(
        "stolarska",
        "lek. med. Kinga Stolarska",
        "pl en",
        _late_first("przymorze", "dermatologist"),
        _by_video("przymorze", "dermatologist", 15, 17),
    ),
    _doctor(
        "pawlak",
        "dr n. med. Michał Pawlak",
        "pl en",
        _late_first("wrzeszcz", "cardiologist"),
        _at("wrzeszcz", "ecg", _ODD_DAYS, 12, 14),
        _at("wrzeszcz", "echocardiography", _EVEN_DAYS, 15, 18),
    ),
    _doctor(
        "lewandowski", "lek. med. Igor Lewandowski", "pl en", _alternating("wrzeszcz", "ophthalmologist")
    ),
    # The late hours again at two addresses.
    _doctor(
        "konkol",
        "dr n. med. Leszek Konkol",
        "pl en",
        _late_first("przymorze", "orthopaedist"),
        _late("wrzeszcz", "orthopaedist", _ODD_DAYS),
    ),
    _doctor("drywa", "lek. med. Ewelina Drywa", "pl en", _alternating("wrzeszcz", "ent")),
    _doctor("ostrowska", "lek. med. Natasza Ostrowska", "pl en uk", _late_first("przymorze", "neurologist")),
    _doctor(
        "hinc",
        "dr n. med. Marek Hinc",
        "pl",
        _late("przymorze", "gastroenterologist", _EVEN_DAYS),
        _at("przymorze", "gastroscopy", _ODD_DAYS, 8, 13),
        _at("przymorze", "colonoscopy", _ODD_DAYS, 13, 16),
    ),
    _doctor(
        "miotk",
        "mgr Paulina Miotk",
        "pl en",
        _alternating("wrzeszcz", "psychologist"),
        _by_video("wrzeszcz", "psychologist", 16, 19, _ODD_DAYS),
    ),
    _doctor(
        "czaja",
        "lek. med. Sebastian Czaja",
        "pl en",
        _late_first("wrzeszcz", "abdominal-ultrasound"),
        _at("wrzeszcz", "thyroid-ultrasound", _ODD_DAYS, 11, 13),
        _at("wrzeszcz", "chest-x-ray", _EVEN_DAYS, 15, 18),
    ),
    _doctor(
        "potrykus",
        "mgr Daria Potrykus",
        "pl en",
        _alternating("przymorze", "exercise-therapy"),
        _at("przymorze", "manual-therapy", _EVEN_DAYS, 9, 12),
        _at("przymorze", "therapeutic-massage", _ODD_DAYS, 15, 19),
    ),
    _doctor(
        "wenta",
        "mgr Ryszard Wenta",
        "pl",
        _at("wrzeszcz", "blood-test", _WORKING_DAYS, 7, 11),
    ),
)

DOCTORS: Final = {doctor.key: doctor for doctor in (*_WARSAW, *_KRAKOW, *_GDANSK)}

WANTED: Final = ("wysocka", "gorski")
"""Whom everybody wants to see: booked out for the next days."""

_FIRST_PWZ: Final = 425740
_PWZ_STEP: Final = 163_481  # shares no factor with a million, so that no number comes twice


def pwz_numbers() -> Iterator[str]:
    """Yield valid licence numbers, none of them twice; the first is the product page's example, 5425740."""
    digits = _FIRST_PWZ
    while True:
        # The check digit is none of 0 and 10: then nobody has the six digits.
        yield from (number for check in range(1, 10) if pwz_valid(number := f"{check}{digits:06}"))
        digits = (digits + _PWZ_STEP) % 1_000_000


def doctor_id(key: str) -> UUID:
    """Return a doctor's id."""
    return demo_id(f"doctor/{key}")


def doctors() -> Iterator[AddDoctor]:
    """Yield who works for the network."""
    for doctor, pwz in zip(DOCTORS.values(), pwz_numbers(), strict=False):
        yield AddDoctor(
            doctor_id=doctor_id(doctor.key), name=doctor.name, pwz=pwz, languages=doctor.languages
        )
