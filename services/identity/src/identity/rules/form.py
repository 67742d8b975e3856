"""Is a sign-up form complete and plausible?

Pure: everything here depends on the form and the day alone. What depends on facts is decided in open_account.
A fault's detail never repeats what was typed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from identity.rules.pesel import Pesel, PeselInvalidError, read_pesel
from identity.rules.text import blank, unreadable
from portal_events.blind import EmailMalformedError, normalise_email
from portal_events.identity import Sex

LANGUAGES: Final = ("pl", "en")

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_PASSPORT: Final = re.compile(r"[A-Z0-9]{5,20}")
_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# RFC 5322, 3.2.3: a dot-atom, and beyond ASCII anything (RFC 6532). A quoted local part is nobody's mailbox.
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL_PART: Final = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_TOP_LEVEL: Final = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")
# RFC 5321, 4.5.3.1, in bytes
_MAX_EMAIL: Final = 254
_MAX_LOCAL_PART: Final = 64


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one field. `pointer` is RFC 6901, into the form's JSON."""

    pointer: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Form:
    """A sign-up form as it was typed, with outer spaces removed; its repr shows nothing of it."""

    email: str
    password: str
    given_name: str
    family_name: str
    pesel: str | None
    birth_date: str | None
    sex: Sex | None
    passport: str | None
    phone: str
    language: str
    regulations: bool
    privacy: bool

    @property
    def words(self) -> list[str]:
        """Return what a guesser of this person's password would try first."""
        known = (self.email, self.given_name, self.family_name, self.pesel, self.passport, self.phone)
        return [word for word in known if word is not None]


class Identified(Protocol):
    """What says who somebody is: a PESEL, or birth date, sex and passport number."""

    @property
    def pesel(self) -> str | None:
        """Eleven digits."""

    @property
    def birth_date(self) -> str | None:
        """As it was typed."""

    @property
    def sex(self) -> Sex | None:
        """Administrative sex."""

    @property
    def passport(self) -> str | None:
        """A passport's number."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who a form without faults is about."""

    birth_date: date
    sex: Sex


def form_faults(form: Form, today: date) -> list[Fault]:
    """Return what is wrong, field by field, but for the password's strength (rules/password.py)."""
    return [*_contact_faults(form), *identity_faults(form, today), *_consent_faults(form)]


def person(form: Identified) -> Person:
    """Return birth date and sex of a form that has no faults."""
    if form.pesel is not None:
        read = read_pesel(form.pesel)
        return Person(read.birth_date, read.sex)
    if form.birth_date is None or form.sex is None:
        raise ValueError("the form has faults")
    return Person(date.fromisoformat(form.birth_date), form.sex)


def email_faults(email: str) -> Iterator[Fault]:
    """Say whether this is an address that mail can be sent to."""
    if not _is_email(email):
        yield Fault("/email", "email-invalid", "This is not an e-mail address")


def name_faults(pointer: str, name: str) -> Iterator[Fault]:
    """Say whether this is somebody's name: any letters, signs and pictures, as long as they are seen."""
    if unreadable(name):
        yield Fault(pointer, "control-character", "A name holds no control characters")
    elif blank(name):
        yield Fault(pointer, "name-missing", "The name is required")


def phone_faults(phone: str) -> Iterator[Fault]:
    """Say whether this is a telephone number of any country."""
    if not _E164.fullmatch(phone):
        detail = "A telephone number begins with + and the country code, digits only (E.164)"
        yield Fault("/phone", "phone-invalid", detail)


def language_faults(language: str) -> Iterator[Fault]:
    """Say whether the portal speaks this language."""
    if language not in LANGUAGES:
        yield Fault("/language", "language-unknown", f"One of: {', '.join(LANGUAGES)}")


def _contact_faults(form: Form) -> Iterator[Fault]:
    yield from email_faults(form.email)
    yield from name_faults("/givenName", form.given_name)
    yield from name_faults("/familyName", form.family_name)
    yield from phone_faults(form.phone)
    yield from language_faults(form.language)


def identity_faults(form: Identified, today: date) -> Iterator[Fault]:
    """Say whether somebody is identified, and by nothing that contradicts itself."""
    born = _date(form.birth_date)
    if form.birth_date is not None and born is None:
        yield Fault("/birthDate", "birth-date-invalid", "A birth date is written YYYY-MM-DD")
    if born is not None and born > today:
        yield Fault("/birthDate", "birth-date-in-future", "The birth date lies in the future")
    if form.pesel is not None:
        yield from _pesel_faults(form, form.pesel, born, today)
    elif form.passport is None:
        detail = "Give a PESEL, or a birth date, sex and passport number"
        yield Fault("/pesel", "pesel-or-passport", detail)
    else:
        if not _PASSPORT.fullmatch(form.passport):
            detail = "A passport number has 5 to 20 capital letters and digits"
            yield Fault("/passport", "passport-invalid", detail)
        if form.birth_date is None:
            yield Fault("/birthDate", "missing", "With a passport, the birth date is required")
        if form.sex is None:
            yield Fault("/sex", "missing", "With a passport, the sex is required")


def _pesel_faults(form: Identified, text: str, born: date | None, today: date) -> Iterator[Fault]:
    if form.passport is not None:
        yield Fault("/passport", "pesel-or-passport", "With a PESEL, no passport number is wanted")
    try:
        pesel: Pesel = read_pesel(text)
    except PeselInvalidError:
        yield Fault("/pesel", "pesel-invalid", "This PESEL has a mistake in it")
        return
    if pesel.birth_date > today:
        yield Fault("/pesel", "birth-date-in-future", "By this PESEL the birth date lies in the future")
    if born is not None and born != pesel.birth_date:
        detail = "The PESEL says another birth date than the one given"
        yield Fault("/pesel", "pesel-contradicts-birth-date", detail)
    if form.sex is not None and form.sex is not pesel.sex:
        yield Fault("/pesel", "pesel-contradicts-sex", "The PESEL says another sex than the one given")


def _consent_faults(form: Form) -> Iterator[Fault]:
    if not form.regulations:
        yield Fault("/consents/regulations", "consent-missing", "Consent to the regulations is required")
    if not form.privacy:
        yield Fault("/consents/privacy", "consent-missing", "Consent to the privacy policy is required")


def _is_email(text: str) -> bool:
    try:
        address = normalise_email(text)
        size = len(address.encode())
    except (EmailMalformedError, UnicodeEncodeError):
        return False
    local, _, domain = address.rpartition("@")
    # The portal writes to people on the public internet: no host without a dot, no IP address.
    _, dot, top_level = domain.rpartition(".")
    short = size <= _MAX_EMAIL and len(local.encode()) <= _MAX_LOCAL_PART
    return bool(short and dot and _TOP_LEVEL.fullmatch(top_level) and _LOCAL_PART.fullmatch(local))


def _date(text: str | None) -> date | None:
    if text is None or not _ISO_DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
