"""Who are the demo patients?"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from identity.rules.pesel import checksum
from portal_events.identity import Sex

_CENTURY_2000: Final = 2000
_MONTHS_OF_2000: Final = 20


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit that a patient has booked: the nth slot of a doctor's shift on the nth working day."""

    doctor: str
    shift: int
    day: int
    slot: int


@dataclass(frozen=True, slots=True)
class Patient:
    """Somebody who can sign in; `serial` are the PESEL's digits 7 to 9."""

    email: str
    given_name: str
    family_name: str
    born: date
    sex: Sex
    serial: int
    phone: str
    language: str
    note: str
    visits: tuple[Visit, ...] = ()

    @property
    def pesel(self) -> str:
        """Return the PESEL of birth date, serial and sex."""
        month = self.born.month + (_MONTHS_OF_2000 if self.born.year >= _CENTURY_2000 else 0)
        sex_digit = 4 if self.sex is Sex.FEMALE else 5
        text = f"{self.born.year % 100:02}{month:02}{self.born.day:02}{self.serial:03}{sex_digit}"
        return text + str(checksum([int(digit) for digit in text]))


PATIENTS: Final = (
    Patient(
        email="maria.kowalska@zdrovia.example",
        given_name="Maria",
        family_name="Kowalska",
        born=date(1984, 5, 17),
        sex=Sex.FEMALE,
        serial=231,
        phone="+48601000001",
        language="pl",
        note="two booked visits",
        visits=(Visit("lis", 0, 3, 2), Visit("wojcik", 0, 5, 8)),
    ),
    Patient(
        email="jan.wisniewski@zdrovia.example",
        given_name="Jan",
        family_name="Wiśniewski",
        born=date(1961, 11, 2),
        sex=Sex.MALE,
        serial=407,
        phone="+48601000002",
        language="pl",
        note="nothing booked",
    ),
    Patient(
        email="emily.clark@zdrovia.example",
        given_name="Emily",
        family_name="Clark",
        born=date(2001, 2, 28),
        sex=Sex.FEMALE,
        serial=118,
        phone="+447700900123",
        language="en",
        note="nothing booked, uses the portal in English",
    ),
)
