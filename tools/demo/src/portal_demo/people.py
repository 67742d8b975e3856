"""Who are the demo accounts' owners, and what have they booked?

Visits are said in days from the first day of the demo, and so lie the same way whenever it is seeded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import Final

from portal_demo.calendar import closed
from portal_demo.crowd import pesel
from portal_demo.doctors import Shift
from portal_events.booking import Source
from portal_events.identity import Level, Role, Sex

NETWORK_AGE: Final = timedelta(days=450)
"""For so long there has been a network on the demo's first day."""

_SERIALS: Final = 4000
_ACCOUNTS_OPEN: Final = timedelta(hours=12, minutes=30)
_AGE_UNDER_18: Final = 15

When = Callable[[date, Shift], date]
"""Finds a visit's date from the first day of the demo and the shift that it is booked in."""


def ahead(days: int) -> When:
    """Mean the first day of the shift, so many days ahead or later."""
    return lambda first, shift: _nearest(first + timedelta(days=days), shift, timedelta(days=1))


def ago(days: int) -> When:
    """Mean the last day of the shift, so many days ago or earlier."""
    return lambda first, shift: _nearest(first - timedelta(days=days), shift, timedelta(days=-1))


def of_spring(month: int, day: int) -> When:
    """Mean a date of the year whose 1 April is the last one: those of the product page's example."""
    return lambda first, _: date(first.year - (first <= date(first.year, 4, 1)), month, day)


def _nearest(day: date, shift: Shift, step: timedelta) -> date:
    candidates = (day + n * step for n in count())
    return next(d for d in candidates if d.weekday() in shift.days and not closed(d))


@dataclass(frozen=True, slots=True)
class Visit:
    """The nth visit of a doctor's shift on some day.

    `moved`: booked for the visit after it first. `cancelled`: given back before it began.
    """

    doctor: str
    when: When
    slot: int
    shift: int = 0
    source: Source = Source.PORTAL
    moved: bool = False
    cancelled: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """Somebody who can sign in; `serial` makes the PESEL. The account was opened `since` days ago."""

    email: str
    given_name: str
    family_name: str
    born: date
    sex: Sex
    serial: int
    phone: str
    language: str
    note: str
    level: Level = Level.BASIC
    since: int = 100
    email_confirmed: bool = True
    visits: tuple[Visit, ...] = ()

    @property
    def after(self) -> timedelta:
        """Return how long after the network's opening the account was opened: always at half past noon."""
        return NETWORK_AGE - timedelta(days=self.since) + _ACCOUNTS_OPEN

    @property
    def pesel(self) -> str:
        """Return the PESEL of birth date, serial and sex."""
        return pesel(self.born, self.sex, _SERIALS + self.serial)


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody who works here and can sign in."""

    email: str
    name: str
    roles: tuple[Role, ...]


STAFF: Final = (
    Staff("anna.nowak@zdrovia.example", "Anna Nowak", (Role.DOCTOR,)),
    Staff("recepcja.ochota@zdrovia.example", "Izabela Kmiecik", (Role.DESK,)),
    Staff("laboratorium@zdrovia.example", "Elżbieta Stępień", (Role.LABORATORY,)),
    Staff("dyzur.it@zdrovia.example", "Patryk Wolny", (Role.OPERATOR,)),
)

_MARIA: Final = Patient(
    email="maria.kowalska@zdrovia.example",
    given_name="Maria",
    family_name="Kowalska",
    born=date(1984, 5, 17),
    sex=Sex.FEMALE,
    serial=231,
    phone="+48601000001",
    language="pl",
    note="a history; three planned visits, one of them made by the desk",
    level=Level.FULL,
    since=410,
    visits=(
        Visit("stepien", of_spring(3, 18), 4),
        Visit("przybylska", of_spring(3, 18), 3, source=Source.DESK),
        Visit("lis", of_spring(4, 1), 4, reason="Przegląd i ból dolnej szóstki przy zimnym"),
        Visit("wojcik", ago(140), 9, moved=True, reason="Kaszel od tygodnia"),
        Visit("borkowska", ago(104), 5, cancelled=True),
        Visit("sikora", ago(75), 6),
        Visit("zielinski", ago(48), 10, source=Source.DESK),
        Visit("stepien", ago(44), 8),
        Visit("szulc", ago(31), 7, cancelled=True, reason="Kolano po nartach"),
        Visit("sadowski", ago(17), 8, reason="Kontrola znamion"),
        Visit("lis", ahead(3), 2, reason="Kontrola po leczeniu"),
        Visit("wojcik", ahead(6), 16),
        Visit("bak", ahead(9), 6, source=Source.DESK),
    ),
)
_JAN: Final = Patient(
    email="jan.wisniewski@zdrovia.example",
    given_name="Jan",
    family_name="Wiśniewski",
    born=date(1961, 11, 2),
    sex=Sex.MALE,
    serial=407,
    phone="+48601000002",
    language="pl",
    note="nothing booked",
)
_EMILY: Final = Patient(
    email="emily.clark@zdrovia.example",
    given_name="Emily",
    family_name="Clark",
    born=date(2001, 2, 28),
    sex=Sex.FEMALE,
    serial=118,
    phone="+447700900123",
    language="en",
    note="uses the portal in English; one planned visit; has not confirmed her address",
    email_confirmed=False,
    visits=(Visit("duda", ahead(4), 3, reason="A rash that comes back every winter"),),
)
_PIOTR: Final = Patient(
    email="piotr.zawadzki@zdrovia.example",
    given_name="Piotr",
    family_name="Zawadzki",
    born=date(1979, 8, 23),
    sex=Sex.MALE,
    serial=552,
    phone="+48601000004",
    language="pl",
    note="nine planned visits: one more is the limit of the basic level",
    # At nine different times of day: two of them may fall on the same one.
    visits=(
        Visit("kreft", ahead(2), 0),
        Visit("lewandowski", ahead(4), 2),
        Visit("drywa", ahead(6), 5),
        Visit("miotk", ahead(8), 2),
        Visit("wrona", ahead(10), 11),
        Visit("pawlak", ahead(12), 0),
        Visit("czaja", ahead(14), 2),
        Visit("konkol", ahead(16), 5),
        Visit("becker", ahead(18), 7),
    ),
)
_STANISLAWA: Final = Patient(
    email="stanislawa.dabrowska@zdrovia.example",
    given_name="Stanisława",
    family_name="Dąbrowska",
    born=date(1948, 1, 30),
    sex=Sex.FEMALE,
    serial=87,
    phone="+48601000005",
    language="pl",
    note="a long history",
    level=Level.FULL,
    since=400,
    visits=(
        *(Visit("piatek", ago(days), 4, source=Source.DESK) for days in range(12, 372, 30)),
        *(Visit("czarnecki", ago(days), 5) for days in range(25, 365, 85)),
        *(Visit("kurek", ago(days), 6, source=Source.DESK) for days in range(20, 365, 56)),
        Visit("tomczak", ago(243), 3),
        Visit("tomczak", ago(61), 3, cancelled=True),
        Visit("koziel", ago(150), 7, moved=True),
        Visit("zajac", ago(110), 2),
        Visit("piatek", ahead(8), 12),
        Visit("czarnecki", ahead(12), 6, source=Source.DESK),
    ),
)


def patients(first: date) -> tuple[Patient, ...]:
    """Return whose accounts there are; somebody among them is under 18 on the first day."""
    kacper = Patient(
        email="kacper.lewandowski@zdrovia.example",
        given_name="Kacper",
        family_name="Lewandowski",
        born=date(first.year - _AGE_UNDER_18, 3, 9),
        sex=Sex.MALE,
        serial=319,
        phone="+48601000006",
        language="pl",
        note="under 18; one planned visit",
        visits=(Visit("krawczyk", ahead(5), 4),),
    )
    return (_MARIA, _JAN, _EMILY, _PIOTR, kacper, _STANISLAWA)
