"""Which sign-ups and sign-ins are refused, and how much does a refusal give away?"""

from __future__ import annotations

from typing import Any

import pytest

from .browser import Browser, Patient, field_codes, refused
from .conftest import Arrive
from .people import Typed, token

pytestmark = pytest.mark.connected


@pytest.mark.parametrize(
    ("changed", "pointer", "code"),
    [
        ({"pesel": "44051401358"}, "/pesel", "pesel-invalid"),
        ({"pesel": "4405140135"}, "/pesel", "pesel-invalid"),
        ({"pesel": "44053201359"}, "/pesel", "pesel-invalid"),
        ({"birthDate": "1871-01-01"}, "/pesel", "pesel-contradicts-birth-date"),
        ({"pesel": None}, "/pesel", "pesel-or-passport"),
        ({"pesel": None, "passport": "AB1234567", "sex": "male"}, "/birthDate", "missing"),
        (
            {"pesel": None, "passport": "AB1234567", "sex": "male", "birthDate": "2190-01-01"},
            "/birthDate",
            "birth-date-in-future",
        ),
        ({"password": "elevenchars"}, "/password", "password-weak"),
        ({"password": "passwordpassword"}, "/password", "password-weak"),
        (
            {"consents": {"regulations": True, "privacy": False}},
            "/consents/privacy",
            "consent-missing",
        ),
        ({"consents": None}, "/consents/regulations", "consent-missing"),
        ({"email": "nobody"}, "/email", "email-invalid"),
        ({"phone": "601 234 567"}, "/phone", "phone-invalid"),
        ({"language": "de"}, "/language", "language-unknown"),
        ({"givenName": " "}, "/givenName", "name-missing"),
    ],
)
async def test_given_a_form_with_a_fault_when_sent_then_the_field_is_named(
    visitor: Browser, typed: Typed, changed: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await visitor.open_account(typed.person(), **changed)
    assert field_codes(answer).get(pointer) == code
    assert (await visitor.get("/api/me")).status_code == 401


async def test_given_an_account_when_its_address_or_pesel_comes_again_then_refused_without_saying_which(
    arrive: Arrive, typed: Typed, patient: Patient
) -> None:
    taken = patient.person
    same_address = await arrive().open_account(typed.person(), email=taken.email.upper())
    same_pesel = await arrive().open_account(typed.person(), pesel=taken.pesel)
    for answer in (same_address, same_pesel):
        assert refused(answer) == (409, "account-exists")
        assert "set-cookie" not in answer.headers
    assert {**same_address.json(), "instance": ""} == {**same_pesel.json(), "instance": ""}


async def test_given_a_sign_up_when_repeated_with_its_key_then_the_same_account_and_no_second(
    arrive: Arrive, typed: Typed
) -> None:
    person = typed.person(with_passport=True)
    first = await arrive().open_account(person, key="sign-up")
    again = await arrive().open_account(person, key="sign-up")
    other = await arrive().open_account(person, key="sign-up", language="en")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert refused(other) == (422, "idempotency-key-reused")


async def test_given_no_key_when_signing_up_then_refused(visitor: Browser, typed: Typed) -> None:
    answer = await visitor.post("/api/accounts", json=typed.person().form())
    assert refused(answer) == (422, "idempotency-key-missing")


async def test_given_an_unknown_address_or_a_wrong_password_when_signing_in_then_the_refusal_is_the_same(
    visitor: Browser, patient: Patient, typed: Typed
) -> None:
    unknown = await visitor.sign_in(typed.person().email, patient.person.password)
    wrong = await visitor.sign_in(patient.person.email, typed.person().password)
    for answer in (unknown, wrong):
        assert refused(answer) == (401, "sign-in-failed")
        assert "set-cookie" not in answer.headers
    assert {**unknown.json(), "instance": ""} == {**wrong.json(), "instance": ""}
    assert unknown.headers.keys() == wrong.headers.keys()


async def test_given_another_spelling_of_the_address_when_signing_in_then_it_is_the_same_account(
    visitor: Browser, patient: Patient
) -> None:
    answer = await visitor.sign_in(patient.person.email.upper(), patient.person.password)
    assert answer.status_code == 201
    assert (await visitor.get("/api/me")).json()["patientId"] == patient.patient_id


async def test_given_a_session_when_signing_in_again_then_the_old_cookie_opens_nothing(
    arrive: Arrive, patient: Patient
) -> None:
    old = patient.browser.cookies["portal"]
    assert (await patient.browser.sign_in(patient.person.email, patient.person.password)).status_code == 201
    assert patient.browser.cookies["portal"] != old
    thief = arrive()
    thief.cookies.set("portal", old)
    assert refused(await thief.get("/api/me")) == (401, "not-signed-in")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"email": 5, "password": 5}',
        b'{"email": "a@b.example"}',
        b'{"email": "a@b.example", "password": "x", "role": "doctor"}',
        b'{"email": "\\u0000", "password": "\\u0000"}',
        b'{"email": "\\ud800@b.example", "password": "\\ud800"}',
        b'{"email": "@", "password": ""}',
        b"[" * 60_000,
    ],
)
async def test_given_a_malformed_sign_in_when_sent_then_refused_and_never_a_fault(
    visitor: Browser, body: bytes
) -> None:
    answer = await visitor.post("/api/sessions", content=body, headers={"Content-Type": "application/json"})
    assert refused(answer) in {(401, "sign-in-failed"), (422, "invalid"), (400, "bad-request")}


@pytest.mark.parametrize(
    "changed",
    [
        {"role": "doctor"},
        {"email": ["a@b.example"]},
        {"givenName": 5},
        {"consents": {"regulations": "true", "privacy": 1}},
        {"consents": {"regulations": True, "privacy": True, "marketing": True}},
        {"familyName": "x" * 101},
        {"sex": "other"},
        {"birthDate": 20000101},
    ],
)
async def test_given_a_form_of_another_shape_when_sent_then_refused(
    visitor: Browser, typed: Typed, changed: dict[str, Any]
) -> None:
    assert refused(await visitor.open_account(typed.person(), **changed)) == (422, "invalid")


@pytest.mark.parametrize(
    "hostile", ["\x00", "\ud800", "\u202egpj.exe", "<script>alert(1)</script>", "'; drop table event; --"]
)
async def test_given_a_hostile_name_when_sent_then_never_a_fault_and_kept_as_typed(
    visitor: Browser, typed: Typed, hostile: str
) -> None:
    name = f"Zoë {hostile} {token(12)}"
    typed.texts.add(name[-12:])
    opened = await visitor.open_account(typed.person(), familyName=name)
    assert opened.status_code in {201, 422}, opened.text
    if opened.status_code == 201:
        assert (await visitor.get("/api/me")).json()["familyName"] == name
