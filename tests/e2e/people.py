"""Who comes to the portal in these tests, and what have they typed that must be found nowhere?"""

from __future__ import annotations

import json
import secrets
import string
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)


def token(length: int, alphabet: str = string.ascii_lowercase) -> str:
    """Make text that stands nowhere else by chance."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


@dataclass(frozen=True)
class Person:
    """Somebody made up, with all the fields of the form; `pesel` or `passport` is used."""

    email: str
    password: str
    given_name: str
    family_name: str
    birth_date: str
    phone: str
    pesel: str
    passport: str
    with_passport: bool = False

    def form(self, **changed: Any) -> dict[str, Any]:
        """Fill in the form; a field changed to None is left out."""
        who = (
            {"birthDate": self.birth_date, "sex": "female", "passport": self.passport}
            if self.with_passport
            else {"pesel": self.pesel}
        )
        form = {
            "email": self.email,
            "password": self.password,
            "givenName": self.given_name,
            "familyName": self.family_name,
            "phone": self.phone,
            "language": "pl",
            "consents": {"regulations": True, "privacy": True},
            **who,
            **changed,
        }
        return {name: value for name, value in form.items() if value is not None}


@dataclass
class Typed:
    """Every personal text of this session, for the search at the end."""

    texts: set[str] = field(default_factory=set)

    def person(self, *, with_passport: bool = False) -> Person:
        """Make up a person and remember what identifies them."""
        born = date(1940, 1, 1) + timedelta(days=secrets.randbelow(20_000))
        digits = f"{born:%y%m%d}{secrets.randbelow(1000):03}{2 * secrets.randbelow(5)}"
        check = -sum(weight * int(digit) for weight, digit in zip(WEIGHTS, digits, strict=True)) % 10
        person = Person(
            email=f"{token(12)}@{token(6)}.example",
            password=secrets.token_urlsafe(18),
            given_name=f"Żółć{token(8)}",
            family_name=f"Müller-{token(8).capitalize()}ß",
            birth_date=born.isoformat(),
            phone=f"+48{600_000_000 + secrets.randbelow(99_999_999)}",
            pesel=f"{digits}{check}",
            passport=f"{token(3).upper()}{token(7, string.digits)}",
            with_passport=with_passport,
        )
        self.texts |= {
            person.email,
            person.password,
            person.given_name,
            person.family_name,
            person.birth_date,
            person.phone,
            person.pesel,
            person.passport,
        }
        return person

    def reason(self, text: str = "Ból głowy") -> str:
        """Make a reason that stands nowhere else, and remember it."""
        unique = f"{text} {token(12)}"
        self.texts.add(unique)
        return unique

    def needles(self) -> set[bytes]:
        """Return the texts as bytes: UTF-8, and as JSON escapes them where that differs."""
        texts = {text for text in self.texts if text}
        escaped = {json.dumps(text)[1:-1] for text in texts}
        return {needle.encode() for needle in texts | escaped}
