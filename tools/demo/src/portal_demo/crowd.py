"""Who comes to the demo network without an account?

People whom a desk has registered: they have a name, a PESEL and a telephone number, and no password.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final, TypeVar

from identity.rules.age import age_on
from identity.rules.pesel import checksum
from portal_events.identity import Sex

T = TypeVar("T")

_CENTURY_2000: Final = 2000
_MONTHS_OF_2000: Final = 20
_SERIALS: Final = 1000
_SPREAD: Final = 37
_WALK_INS_SERIALS: Final = 4000
"""Serial numbers from here on are the demo accounts'."""

# How many of a hundred live where, and are how old.
_CITIES: Final = {"Warszawa": 48, "Kraków": 28, "Gdańsk": 24}
_AGES: Final = {range(2, 18): 20, range(18, 40): 30, range(40, 65): 30, range(65, 95): 20}


def _names(*lines: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


_GIVEN_NAMES: Final = {
    Sex.FEMALE: _names(
        "Zofia Julia Hanna Maja Laura Oliwia Alicja Lena Amelia Aleksandra Anna Katarzyna Magdalena",
        "Monika Agnieszka Joanna Barbara Ewa Krystyna Elżbieta Teresa Danuta Halina Irena Jadwiga",
        "Janina Małgorzata Dorota Beata Iwona Renata Sylwia Natalia Karolina Paulina Marta Weronika",
        "Wiktoria Gabriela Helena Stanisława Marianna Oksana Iryna Nadia",
    ),
    Sex.MALE: _names(
        "Antoni Jakub Jan Szymon Franciszek Filip Aleksander Mikołaj Wojciech Adam Piotr Krzysztof",
        "Andrzej Tomasz Paweł Michał Marcin Stanisław Józef Tadeusz Jerzy Zbigniew Henryk Ryszard",
        "Kazimierz Marek Dariusz Mariusz Grzegorz Łukasz Mateusz Kamil Dawid Bartosz Sebastian Rafał",
        "Robert Maciej Leon Ignacy Oleh Andrij Viktor",
    ),
}
# The masculine form; the feminine one of -ski, -cki and -dzki ends in -a.
_FAMILY_NAMES: Final = _names(
    "Nowak Kowalski Wiśniewski Wójcik Kowalczyk Kamiński Lewandowski Zieliński Szymański Woźniak",
    "Dąbrowski Kozłowski Mazur Jankowski Kwiatkowski Krawczyk Kaczmarek Piotrowski Grabowski",
    "Zając Pawłowski Król Michalski Wróbel Wieczorek Jabłoński Nowakowski Majewski Olszewski",
    "Dudek Jaworski Stępień Malinowski Adamczyk Górski Nowicki Pawlak Sikora Witkowski Rutkowski",
    "Walczak Baran Michalak Szewczyk Ostrowski Tomaszewski Zalewski Wróblewski Pietrzak Jasiński",
    "Marciniak Sadowski Bąk Zawadzki Duda Jakubowski Wilk Chmielewski Borkowski Włodarczyk",
    "Sokołowski Szczepański Sawicki Kucharski Lis Maciejewski Kubiak Kalinowski Wysocki Mazurek",
    "Kołodziej Kaźmierczak Czarnecki Konieczny Urban Głowacki Zakrzewski Kurek Sobczak Krupa",
    "Wasilewski Sikorski Laskowski Gajewski Mróz Szulc Przybylski Brzeziński Kaczmarczyk Makowski",
    "Bednarek Szymczak Cieślak Krajewski Ziółkowski Czerwiński Andrzejewski Kania Błaszczyk",
    "Borowski Janik Melnyk Bondarenko Kravchenko Nguyen Schmidt",
)


@dataclass(frozen=True, slots=True)
class WalkIn:
    """Somebody whom a desk knows; `key` names the person in this seed."""

    key: str
    given_name: str
    family_name: str
    born: date
    sex: Sex
    pesel: str
    phone: str
    city: str

    def age_on(self, day: date) -> int:
        """Return the completed years."""
        return age_on(day, self.born)


@dataclass(frozen=True, slots=True)
class _Group:
    """Who has a service."""

    youngest: int = 18
    oldest: int = 120
    sex: Sex | None = None

    def holds(self, person: WalkIn, day: date) -> bool:
        return self.youngest <= person.age_on(day) <= self.oldest and self.sex in {None, person.sex}


_FOR_ALL_AGES: Final = (
    "dentist",
    "orthodontist",
    "dermatologist",
    "ophthalmologist",
    "orthopaedist",
    "ent",
    "allergist",
    "family",
    "telephone",
    "blood-test",
    "chest-x-ray",
    "flu-vaccination",
    "tick-vaccination",
)
_ANYBODY: Final = _Group(youngest=0)
_ADULTS: Final = _Group()
_EMPLOYEES: Final = _Group(oldest=67)
_GROUPS: Final = {
    "paediatrician": _Group(youngest=0, oldest=17),
    "hpv-vaccination": _Group(youngest=9, oldest=26),
    "gynaecologist": _Group(youngest=16, sex=Sex.FEMALE),
    "urologist": _Group(sex=Sex.MALE),
    "occupational-initial": _EMPLOYEES,
    "occupational-periodic": _EMPLOYEES,
    "occupational-follow-up": _EMPLOYEES,
    **dict.fromkeys(_FOR_ALL_AGES, _ANYBODY),
}


def pesel(born: date, sex: Sex, serial: int) -> str:
    """Return the PESEL of birth date, sex and a serial number from 0 to 4999."""
    month = born.month + (_MONTHS_OF_2000 if born.year >= _CENTURY_2000 else 0)
    last, middle = divmod(serial, _SERIALS)
    sex_digit = 2 * last + (sex is Sex.MALE)
    text = f"{born.year % 100:02}{month:02}{born.day:02}{middle:03}{sex_digit}"
    return text + str(checksum([int(digit) for digit in text]))


def wants(person: WalkIn, service: str, day: date) -> bool:
    """Say whether the service is for people of this age and sex."""
    return _GROUPS.get(service, _ADULTS).holds(person, day)


def walk_ins(number: int, first: date) -> Iterator[WalkIn]:
    """Yield so many people, the same ones for the same first day; nobody's PESEL comes twice."""
    random = Random(f"walk-ins/{first}")  # noqa: S311 - made-up people, no secrets
    born_alike: Counter[tuple[date, Sex]] = Counter()
    for n in range(number):
        sex = random.choice((Sex.FEMALE, Sex.FEMALE, Sex.MALE))
        years = _choice(random, _AGES)
        born = first - timedelta(days=round(365.25 * random.choice(years)) + random.randrange(365))
        serial = (born.toordinal() * _SPREAD + born_alike[born, sex]) % _WALK_INS_SERIALS
        born_alike[born, sex] += 1
        yield WalkIn(
            key=f"walk-in/{n}",
            given_name=random.choice(_GIVEN_NAMES[sex]),
            family_name=_family_name(random, sex),
            born=born,
            sex=sex,
            pesel=pesel(born, sex, serial),
            phone=f"+4850{n:07}",
            city=_choice(random, _CITIES),
        )


def _choice(random: Random, weights: Mapping[T, int]) -> T:
    [chosen] = random.choices(list(weights), list(weights.values()))
    return chosen


def _family_name(random: Random, sex: Sex) -> str:
    name = random.choice(_FAMILY_NAMES)
    return f"{name[:-1]}a" if sex is Sex.FEMALE and name.endswith("ki") else name
