"""Does the form refuse what is wrong with it, each fault by its code and place?"""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from identity.rules.form import Form, Person, form_faults, person
from identity.rules.password import password_faults
from portal_events.identity import Sex

TODAY = date(2026, 11, 23)
FORM = Form(
    email="jan.kowalski@example.org",
    password="zielony parasol na dachu",
    given_name="Jan",
    family_name="Kowalski",
    pesel="44051401359",
    birth_date=None,
    sex=None,
    passport=None,
    phone="+48600100200",
    language="pl",
    regulations=True,
    privacy=True,
)
FOREIGNER = replace(FORM, pesel=None, birth_date="1990-02-28", sex=Sex.FEMALE, passport="AB1234567")


def found(form: Form) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in form_faults(form, TODAY)]


@pytest.mark.parametrize(
    "form",
    [
        FORM,
        FOREIGNER,
        replace(FORM, birth_date="1944-05-14", sex=Sex.MALE),
        replace(FORM, email="Zażółć@gęślą.pl", language="en", phone="+3816001002"),
        replace(FORM, email="o'brien+portal@mail.example.org"),
        replace(FORM, given_name="Ż" * 100, family_name="👩‍⚕️" * 33),
        replace(FORM, given_name="Gräfin Änne", family_name="Łęska-Großmann d'Ölßer"),
        replace(FORM, given_name="<script>alert(1)</script>", family_name="'; drop table event; --"),
        replace(FORM, given_name="李", family_name="مريم"),
        replace(FOREIGNER, birth_date="2026-11-23"),
    ],
)
def test_given_a_good_form_when_checked_then_nothing_is_found(form: Form) -> None:
    assert found(form) == []


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"email": "jan"}, "/email", "email-invalid"),
        ({"email": "jan@"}, "/email", "email-invalid"),
        ({"email": "@example.org"}, "/email", "email-invalid"),
        ({"email": "jan@example"}, "/email", "email-invalid"),
        ({"email": "jan@ex ample.org"}, "/email", "email-invalid"),
        ({"email": "jan@a@example.org"}, "/email", "email-invalid"),
        ({"email": "jan\x00@example.org"}, "/email", "email-invalid"),
        ({"email": "j" * 65 + "@example.org"}, "/email", "email-invalid"),
        ({"email": "ż" * 33 + "@example.org"}, "/email", "email-invalid"),
        ({"email": "jan@" + "a" * 60 + ".example" * 24}, "/email", "email-invalid"),
        ({"email": "jan@192.0.2.1"}, "/email", "email-invalid"),
        ({"email": "jan@[192.0.2.1]"}, "/email", "email-invalid"),
        ({"email": "jan..k@example.org"}, "/email", "email-invalid"),
        ({"email": ".jan@example.org"}, "/email", "email-invalid"),
        ({"email": "jan,anna@example.org"}, "/email", "email-invalid"),
        ({"email": '"jan"@example.org'}, "/email", "email-invalid"),
        ({"email": "jan@example.org\r\nBcc: anna@example.org"}, "/email", "email-invalid"),
        ({"email": ""}, "/email", "email-invalid"),
        ({"given_name": ""}, "/givenName", "name-missing"),
        ({"family_name": ""}, "/familyName", "name-missing"),
        ({"given_name": "\u200b\u00a0"}, "/givenName", "name-missing"),
        ({"given_name": "Jan\x00"}, "/givenName", "control-character"),
        ({"given_name": "Jan\r\nKowalski"}, "/givenName", "control-character"),
        ({"family_name": "\x7f"}, "/familyName", "control-character"),
        ({"family_name": "\x85Kowalski"}, "/familyName", "control-character"),
        ({"family_name": "Kow\ud800alski"}, "/familyName", "control-character"),
        ({"family_name": "Kow\u202ealski"}, "/familyName", "control-character"),
        ({"family_name": "Kow\u2028alski"}, "/familyName", "control-character"),
        ({"phone": "600100200"}, "/phone", "phone-invalid"),
        ({"phone": "+0600100200"}, "/phone", "phone-invalid"),
        ({"phone": "+48 600 100 200"}, "/phone", "phone-invalid"),
        ({"phone": "+" + "1" * 16}, "/phone", "phone-invalid"),
        ({"phone": "+48600100200\n"}, "/phone", "phone-invalid"),
        ({"phone": "+4860010020\u0660"}, "/phone", "phone-invalid"),
        ({"language": "de"}, "/language", "language-unknown"),
        ({"pesel": "44051401358"}, "/pesel", "pesel-invalid"),
        ({"pesel": None}, "/pesel", "pesel-or-passport"),
        ({"passport": "AB1234567"}, "/passport", "pesel-or-passport"),
        ({"pesel": "26322400014"}, "/pesel", "birth-date-in-future"),
        ({"birth_date": "1944-05-15"}, "/pesel", "pesel-contradicts-birth-date"),
        ({"sex": Sex.FEMALE}, "/pesel", "pesel-contradicts-sex"),
        ({"birth_date": "14.05.1944"}, "/birthDate", "birth-date-invalid"),
        ({"birth_date": "1944-02-30"}, "/birthDate", "birth-date-invalid"),
        ({"birth_date": "19440514"}, "/birthDate", "birth-date-invalid"),
        ({"regulations": False}, "/consents/regulations", "consent-missing"),
        ({"privacy": False}, "/consents/privacy", "consent-missing"),
    ],
)
def test_given_one_fault_when_checked_then_its_place_and_code(
    change: dict[str, Any], pointer: str, code: str
) -> None:
    assert found(replace(FORM, **change)) == [(pointer, code)]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"birth_date": None}, "/birthDate", "missing"),
        ({"sex": None}, "/sex", "missing"),
        ({"passport": "AB 12"}, "/passport", "passport-invalid"),
        ({"birth_date": "2026-11-24"}, "/birthDate", "birth-date-in-future"),
    ],
)
def test_given_one_fault_with_a_passport_when_checked_then_its_place_and_code(
    change: dict[str, Any], pointer: str, code: str
) -> None:
    assert found(replace(FOREIGNER, **change)) == [(pointer, code)]


def test_given_many_faults_when_checked_then_all_are_told_at_once() -> None:
    form = replace(FORM, email="jan", phone="1", pesel="1", regulations=False)
    assert [code for _, code in found(form)] == [
        "email-invalid",
        "phone-invalid",
        "pesel-invalid",
        "consent-missing",
    ]


def test_given_a_pesel_or_a_passport_when_read_then_the_person() -> None:
    assert person(FORM) == Person(date(1944, 5, 14), Sex.MALE)
    assert person(FOREIGNER) == Person(date(1990, 2, 28), Sex.FEMALE)


@pytest.mark.parametrize(
    ("password", "weak"),
    [
        ("", True),
        ("Xk9$mQ2!vB7", True),
        ("password1234", True),
        ("aaaaaaaaaaaaaaaa", True),
        ("qwertyuiop123456", True),
        ("jan.kowalski@example.org", True),
        ("zielony parasol na dachu", False),
        ("zielony parasol na dachu" * 20, False),
        ("kowalski44051401359", True),
        ("jan.kowalski44", True),
        ("KowalskiJan!1", True),
        ("jan.kowalskijan.kowalski", True),
        ("żółw gęś kret 4711", False),
        ("🦔🦔 jeż pod liściem 🍂", False),
    ],
)
def test_given_a_password_when_rated_then_only_a_strong_one_passes(password: str, *, weak: bool) -> None:
    faults = password_faults(password, FORM.words)
    assert [(fault.pointer, fault.code) for fault in faults] == [("/password", "password-weak")] * weak


@pytest.mark.parametrize(
    "password", ["żółw\x00gęś kret 4711", "żółw gęś\tkret 4711", "żółw gęś kret 4711\ud800"]
)
def test_given_a_control_character_in_a_password_when_rated_then_refused(password: str) -> None:
    [fault] = password_faults(password, [], "/newPassword")
    assert (fault.pointer, fault.code) == ("/newPassword", "control-character")


def test_hazard_form_shows_nothing_of_itself() -> None:
    assert "kowalski" not in repr(FORM).lower()
    assert "parasol" not in repr(FORM)
