"""When is an account opened, and what does a client see of it?"""

import asyncio
import json
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from identity.open_account.decide import ANSWER_REPEAT, OPEN_ACCOUNT, OpenAccount
from identity.rules.email_holder import AccountExists
from portal_chassis.positions import decode
from portal_events.identity import (
    AccountCreated,
    EmailChanged,
    Origin,
    PatientRegistered,
    Role,
    Sex,
    StaffAccountCreated,
)
from portal_events.sensitive import Plain
from portal_eventstore.decision import StoreUnavailable
from portal_eventstore.execute import Decider
from portal_eventstore.spec import given

Identity = Any
"""The fixtures' service (conftest.py)."""

FORM_EMAIL = "jan.kowalski@EXAMPLE.org"
FORM_PASSWORD = "zielony parasol na dachu"

COMMAND = OpenAccount(
    account_id=UUID("019a0000-0000-7000-8000-000000000001"),
    patient_id=UUID("019a0000-0000-7000-8000-000000000002"),
    email=Plain("jan@example.org"),
    email_tag="v1:aa",
    given_name=Plain("Jan"),
    family_name=Plain("Kowalski"),
    birth_date=date(1944, 5, 14),
    sex=Sex.MALE,
    age_band="80-89",
    pesel=Plain("44051401359"),
    pesel_tag="v1:bb",
    phone=Plain("+48600100200"),
    language="pl",
    consents=("regulations", "privacy"),
)
REGISTERED = PatientRegistered(
    patient_id=COMMAND.patient_id,
    given_name=Plain("Jan"),
    family_name=Plain("Kowalski"),
    birth_date=Plain("1944-05-14"),
    pesel=Plain("44051401359"),
    pesel_tag="v1:bb",
    sex=Sex.MALE,
    age_band="80-89",
    origin=Origin.ACCOUNT,
)
CREATED = AccountCreated(
    account_id=COMMAND.account_id,
    patient_id=COMMAND.patient_id,
    email=Plain("jan@example.org"),
    email_tag="v1:aa",
    phone=Plain("+48600100200"),
    language="pl",
    consents=("regulations", "privacy"),
)


def test_given_nobody_when_opened_then_patient_and_account_together() -> None:
    given(OPEN_ACCOUNT).when(COMMAND).then(REGISTERED, CREATED)


def test_given_the_address_has_an_account_when_opened_then_refused() -> None:
    other = CREATED.model_copy(update={"patient_id": UUID(int=7), "account_id": UUID(int=8)})
    given(OPEN_ACCOUNT, other).when(COMMAND).then_refused(AccountExists)


def test_given_the_pesel_has_an_account_when_opened_then_refused() -> None:
    other = REGISTERED.model_copy(update={"patient_id": UUID(int=7)})
    given(OPEN_ACCOUNT, other).when(COMMAND).then_refused(AccountExists)


def test_given_the_desk_knows_the_person_when_opened_then_a_patient_of_its_own() -> None:
    known = REGISTERED.model_copy(update={"patient_id": UUID(int=7), "origin": Origin.DESK})
    given(OPEN_ACCOUNT, known).when(COMMAND).then(REGISTERED, CREATED)
    claimed = REGISTERED.model_copy(update={"patient_id": UUID(int=8)})
    given(OPEN_ACCOUNT, claimed, known).when(COMMAND).then_refused(AccountExists)


def test_given_staff_has_the_address_when_opened_then_refused() -> None:
    staff = StaffAccountCreated(
        account_id=UUID(int=8),
        email=Plain("jan@example.org"),
        email_tag="v1:aa",
        name=Plain("Jan"),
        roles=(Role.DESK,),
    )
    given(OPEN_ACCOUNT, staff).when(COMMAND).then_refused(AccountExists)


def changed_email(new: str, old: str, account: int = 8) -> EmailChanged:
    return EmailChanged(
        account_id=UUID(int=account),
        patient_id=UUID(int=7),
        email=Plain("x"),
        email_tag=new,
        released_email_tag=old,
    )


def test_given_the_address_was_given_up_when_opened_then_it_is_free_and_the_other_is_not() -> None:
    other = CREATED.model_copy(update={"patient_id": UUID(int=7), "account_id": UUID(int=8)})
    given(OPEN_ACCOUNT, other, changed_email("v1:cc", "v1:aa")).when(COMMAND).then(REGISTERED, CREATED)
    given(OPEN_ACCOUNT, changed_email("v1:aa", "v1:cc")).when(COMMAND).then_refused(AccountExists)
    back = (changed_email("v1:cc", "v1:aa"), changed_email("v1:aa", "v1:cc"))
    given(OPEN_ACCOUNT, other, *back).when(COMMAND).then_refused(AccountExists)


def test_given_a_known_refusal_when_it_turns_out_otherwise_then_refused_all_the_same() -> None:
    given(ANSWER_REPEAT).when(COMMAND).then_refused(AccountExists)


def test_given_a_passport_when_opened_then_only_the_address_must_be_new() -> None:
    command = replace(COMMAND, pesel=None, pesel_tag=None, passport=Plain("AB1234567"))
    patient = REGISTERED.model_copy(update={"pesel": None, "pesel_tag": None, "passport": Plain("AB1234567")})
    given(OPEN_ACCOUNT).when(command).then(patient, CREATED)
    given(OPEN_ACCOUNT, CREATED).when(command).then_refused(AccountExists)


async def test_given_a_form_when_posted_then_201_with_ids_and_a_position(identity: Identity) -> None:
    response = await identity.open()
    assert response.status_code == 201
    assert set(response.json()) == {"accountId", "patientId", "level"}
    assert response.json()["level"] == "basic"
    [(topic, _)] = positions = decode(response.headers["portal-position"])
    assert topic == "identity.events"
    assert list(positions.values()) == [2]
    assert await identity.credential_rows() == {UUID(response.json()["accountId"])}
    assert await identity.key_rows() == {UUID(response.json()["patientId"])}


async def test_hazard_log_holds_no_readable_person(identity: Identity) -> None:
    await identity.open()
    patient, account = await identity.parts.store.tail(0, 10)
    assert [patient.type, account.type] == ["PatientRegistered", "AccountCreated"]
    text = repr((patient, account)).lower()
    for word in ("jan", "kowalski", "example.org", "44051401359", "1944", "600100200", "parasol"):
        assert word not in text
    assert '"ageband":"80-89"' in text.replace(" ", "")


async def test_given_a_repeat_when_posted_then_the_same_answer_and_no_second_row(identity: Identity) -> None:
    first = await identity.open()
    again = await identity.open()
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["portal-position"] == first.headers["portal-position"]
    assert len(await identity.credential_rows()) == len(await identity.key_rows()) == 1
    assert await identity.parts.store.head() == 2


async def test_given_the_key_with_another_body_when_posted_then_422(identity: Identity) -> None:
    await identity.open()
    response = await identity.open(password="inne hasło do portalu 77")
    assert response.status_code == 422
    assert response.json()["type"] == "/problems/idempotency-key-reused"
    assert len(await identity.credential_rows()) == len(await identity.key_rows()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"pesel": "02070803628"},
        {"pesel": "02070803628", "email": "JAN.KOWALSKI@EXAMPLE.ORG"},
        {"email": "inny@example.org"},
    ],
)
async def test_given_the_address_or_the_pesel_is_taken_when_posted_then_409_and_no_row_stays(
    identity: Identity, changes: dict[str, str]
) -> None:
    await identity.open()
    response = await identity.open("other", **changes)
    assert response.status_code == 409
    assert response.json()["type"] == "/problems/account-exists"
    assert "example.org" not in response.text
    assert len(await identity.credential_rows()) == len(await identity.key_rows()) == 1


async def test_given_a_passport_when_posted_then_201(identity: Identity) -> None:
    changes = {"pesel": None, "birthDate": "1990-02-28", "sex": "female", "passport": "AB1234567"}
    assert (await identity.open(**changes)).status_code == 201


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"pesel": "44051401358"}, "/pesel", "pesel-invalid"),
        ({"birthDate": "1944-05-15"}, "/pesel", "pesel-contradicts-birth-date"),
        ({"pesel": "26322400014"}, "/pesel", "birth-date-in-future"),
        ({"password": "password1234"}, "/password", "password-weak"),
        ({"consents": {"regulations": True}}, "/consents/privacy", "consent-missing"),
        ({"consents": {"regulations": True, "privacy": "yes"}}, "/consents/privacy", "bool-type"),
        ({"email": "jan"}, "/email", "email-invalid"),
        ({"phone": "600"}, "/phone", "phone-invalid"),
        ({"language": "de"}, "/language", "language-unknown"),
        ({"role": "doctor"}, "/role", "extra-forbidden"),
        ({"level": "full"}, "/level", "extra-forbidden"),
        ({"givenName": None}, "/givenName", "missing"),
        ({"givenName": "   "}, "/givenName", "name-missing"),
        ({"givenName": "Jan\x00"}, "/givenName", "control-character"),
        ({"password": "zielony parasol\x00 na dachu"}, "/password", "control-character"),
        ({"password": "z" * 1001}, "/password", "string-too-long"),
        ({"email": "j" * 321}, "/email", "string-too-long"),
        ({"pesel": "4" * 10_000}, "/pesel", "string-too-long"),
        ({"roles": ["operator"]}, "/roles", "extra-forbidden"),
        ({"patientId": "019a0000-0000-7000-8000-000000000002"}, "/patientId", "extra-forbidden"),
        ({"givenName": "J" * 101}, "/givenName", "string-too-long"),
        ({"givenName": ["Jan"]}, "/givenName", "string-type"),
    ],
)
async def test_given_a_fault_when_posted_then_422_names_it_and_nothing_is_kept(
    identity: Identity, changes: dict[str, Any], pointer: str, code: str
) -> None:
    response = await identity.open(**changes)
    assert response.status_code == 422
    assert response.json()["type"] == "/problems/invalid"
    assert [(e["pointer"], e["code"]) for e in response.json()["errors"]] == [(pointer, code)]
    for typed in ("kowalski", "parasol", "4405140", "password1234"):
        assert typed not in response.text.lower()
    assert await identity.credential_rows() == await identity.key_rows() == set()
    assert await identity.parts.store.head() == 0


@pytest.mark.parametrize(
    ("given_name", "family_name"),
    [
        ("Ż" * 100, "ß" * 100),
        ("👩‍⚕️🦔", "Łęska-Großmann"),
        ("<b onclick=alert(1)>Jan</b>", "&lt;Kowalski&gt;"),
    ],
)
async def test_given_any_name_of_the_world_when_posted_then_it_is_kept_as_text(
    identity: Identity, given_name: str, family_name: str
) -> None:
    opened = await identity.open(givenName=given_name, familyName=family_name)
    assert opened.status_code == 201
    account = await identity.account(opened.json()["accountId"], opened.json()["accountId"])
    assert (account.json()["givenName"], account.json()["familyName"]) == (given_name, family_name)


async def test_given_more_than_64_kib_when_posted_then_413(identity: Identity) -> None:
    response = await identity.open(givenName="J" * 70_000)
    assert (response.status_code, response.json()["type"]) == (413, "/problems/body-too-large")


async def test_given_no_idempotency_key_when_posted_then_422(identity: Identity) -> None:
    response = await identity.client.post("/accounts", json=identity.form)
    assert response.json()["type"] == "/problems/idempotency-key-missing"


@pytest.mark.parametrize(
    "field", ["email", "password", "givenName", "pesel", "phone", "language", "passport"]
)
@pytest.mark.parametrize("text", ["\x00", "zielony parasol\x00 na dachu", "\ud800"])
async def test_hazard_nul_and_half_characters_are_no_fault_of_ours(
    identity: Identity, field: str, text: str
) -> None:
    content = json.dumps({**identity.form, field: text})
    headers = {"Idempotency-Key": "k", "content-type": "application/json"}
    response = await identity.client.post("/accounts", content=content, headers=headers)
    assert response.status_code in {201, 422}


class ForgetfulDecider(Decider):
    """Loses the connection after the append: the caller cannot know what became of it."""

    async def execute(self, *arguments: Any, **names: Any) -> Any:
        await super().execute(*arguments, **names)
        raise StoreUnavailable


async def test_hazard_store_lost_after_the_append_leaves_a_whole_account(identity: Identity) -> None:
    identity.wire(replace(identity.parts, decider=ForgetfulDecider(identity.parts.store)))
    response = await identity.open()
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    identity.wire(identity.parts)
    again = await identity.open()
    assert again.status_code == 201
    assert await identity.credential_rows() == {UUID(again.json()["accountId"])}
    assert await identity.key_rows() == {UUID(again.json()["patientId"])}
    assert (await identity.sign_in(FORM_EMAIL, FORM_PASSWORD)).status_code == 200


@pytest.mark.connected
async def test_hazard_many_sign_ups_of_one_person_at_once(connected_identity: Identity) -> None:
    identity = connected_identity
    responses = await asyncio.gather(
        *(identity.open(f"k{n}", email=f"jan{n % 3}@example.org") for n in range(20))
    )
    assert sorted(response.status_code for response in responses) == [201] + [409] * 19
    [won] = [response.json() for response in responses if response.status_code == 201]
    assert await identity.credential_rows() == {UUID(won["accountId"])}
    assert await identity.key_rows() == {UUID(won["patientId"])}


@pytest.mark.connected
async def test_hazard_one_sign_up_sent_many_times_at_once(connected_identity: Identity) -> None:
    identity = connected_identity
    responses = await asyncio.gather(*(identity.open() for _ in range(20)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.text for response in responses}) == 1
    assert len({response.headers["portal-position"] for response in responses}) == 1
    [account_id] = await identity.credential_rows()
    assert responses[0].json()["accountId"] == str(account_id)
    assert len(await identity.key_rows()) == 1


@pytest.mark.connected
async def test_given_a_refusal_and_a_repeat_on_postgres_when_posted_then_no_orphan_stays(
    connected_identity: Identity,
) -> None:
    identity = connected_identity
    first = await identity.open()
    assert (await identity.open()).json() == first.json()
    assert (await identity.open("other")).status_code == 409
    assert (await identity.sign_in(FORM_EMAIL, FORM_PASSWORD)).json()["accountId"] == first.json()[
        "accountId"
    ]
    assert await identity.credential_rows() == {UUID(first.json()["accountId"])}
    assert await identity.key_rows() == {UUID(first.json()["patientId"])}
