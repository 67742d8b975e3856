"""What does a PESEL say, and is it one?

Eleven digits YYMMDD PPPP K (https://www.gov.pl/web/gov/czym-jest-numer-pesel): the month also tells the
century, the tenth digit the sex, the last one is a checksum.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from portal_events.identity import Sex

_FORM: Final = re.compile(r"[0-9]{11}")
_WEIGHTS: Final = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
_CENTURIES: Final = {80: 1800, 0: 1900, 20: 2000, 40: 2100, 60: 2200}
"""What is added to the month in each century."""


class PeselInvalidError(ValueError):
    """The text is no PESEL; the message does not repeat it."""


@dataclass(frozen=True, slots=True)
class Pesel:
    """What a PESEL says of its person."""

    birth_date: date
    sex: Sex


def read_pesel(text: str) -> Pesel:
    """Read eleven digits; raises PeselInvalidError on a wrong form, checksum or date."""
    if not _FORM.fullmatch(text):
        raise PeselInvalidError("a PESEL has eleven digits")
    digits = [int(digit) for digit in text]
    if digits[10] != checksum(digits[:10]):
        raise PeselInvalidError("the checksum is another one")
    month = int(text[2:4])
    offset = month // 20 * 20
    try:
        born = date(_CENTURIES[offset] + int(text[:2]), month - offset, int(text[4:6]))
    except ValueError:
        raise PeselInvalidError("there is no such date") from None
    return Pesel(born, Sex.FEMALE if digits[9] % 2 == 0 else Sex.MALE)


def checksum(digits: list[int]) -> int:
    """Return the eleventh digit that belongs to the first ten."""
    total = sum(weight * digit for weight, digit in zip(_WEIGHTS, digits, strict=True))
    return (10 - total % 10) % 10
