"""When does the desk register somebody, and is the person kept sealed?"""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from identity.app import handlers
from identity.register_patient.decide import REGISTER_PATIENT, PatientExists, RegisterPatient
from identity.register_patient.desk import WalkIn
from portal_chassis.problems import Invalid
from portal_events.identity import Origin, PatientRegistered, Sex
from portal_events.sensitive import Plain
from portal_eventstore.spec import given

from .conftest import NOW

Identity = Any
"""The fixtures' service (conftest.py)."""

COMMAND = RegisterPatient(
    patient_id=UUID(int=1),
    given_name=Plain("Jan"),
    family_name=Plain("Kowalski"),
    birth_date=date(1944, 5, 14),
    sex=Sex.MALE,
    age_band="80-89",
    pesel=Plain("44051401359"),
    pesel_tag="v1:bb",
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
    origin=Origin.DESK,
)
WALK_IN = WalkIn(
    given_name="Jan",
    family_name="Kowalski",
    pesel="44051401359",
    birth_date=None,
    sex=None,
    passport=None,
)


def another(origin: Origin) -> PatientRegistered:
    return REGISTERED.model_copy(update={"patient_id": UUID(int=7), "origin": origin})


def test_given_nobody_when_registered_then_a_patient_of_the_desk() -> None:
    given(REGISTER_PATIENT).when(COMMAND).then(REGISTERED)


def test_given_the_same_patient_when_registered_again_then_nothing() -> None:
    given(REGISTER_PATIENT, REGISTERED).when(COMMAND).then_nothing()


def test_given_the_desk_knows_the_pesel_when_registered_then_refused() -> None:
    given(REGISTER_PATIENT, another(Origin.DESK)).when(COMMAND).then_refused(PatientExists)


def test_given_only_an_account_claims_the_pesel_when_registered_then_a_patient_all_the_same() -> None:
    given(REGISTER_PATIENT, another(Origin.ACCOUNT)).when(COMMAND).then(REGISTERED)


def test_given_a_passport_when_registered_then_only_the_id_must_be_new() -> None:
    command = replace(COMMAND, pesel=None, pesel_tag=None, passport=Plain("AB1234567"))
    patient = REGISTERED.model_copy(update={"pesel": None, "pesel_tag": None, "passport": Plain("AB1234567")})
    given(REGISTER_PATIENT).when(command).then(patient)


async def test_given_a_walk_in_when_registered_then_sealed_and_without_an_account(identity: Identity) -> None:
    desk = handlers(identity.parts).desk
    for _ in range(2):
        await desk.register(WALK_IN, patient_id=UUID(int=5), now=NOW, actor="system:demo")
    [patient] = await identity.parts.store.tail(0, 10)
    assert (patient.type, patient.time, patient.metadata.actor) == ("PatientRegistered", NOW, "system:demo")
    for word in ("kowalski", "44051401359", "1944-05-14"):
        assert word not in repr(patient).lower()
    assert await identity.key_rows() == {UUID(int=5)}
    assert await identity.credential_rows() == set()


async def test_given_a_walk_in_when_the_person_signs_up_then_an_account_of_its_own(
    identity: Identity,
) -> None:
    desk = handlers(identity.parts).desk
    await desk.register(WALK_IN, patient_id=UUID(int=5), now=NOW, actor="system:demo")
    opened = await identity.open()
    assert opened.status_code == 201
    assert opened.json()["patientId"] != str(UUID(int=5))
    assert (await identity.open("other", email="other@example.org")).status_code == 409


async def test_given_a_faulty_walk_in_when_registered_then_refused_and_nothing_is_kept(
    identity: Identity,
) -> None:
    faulty = WalkIn(
        given_name="",
        family_name="Kow\x00",
        pesel="44051401358",
        birth_date=None,
        sex=None,
        passport=None,
    )
    with pytest.raises(Invalid) as refused:
        await handlers(identity.parts).desk.register(
            faulty, patient_id=UUID(int=5), now=NOW, actor="system:demo"
        )
    found = [(error.pointer, error.code) for error in refused.value.errors]
    assert found == [
        ("/givenName", "name-missing"),
        ("/familyName", "control-character"),
        ("/pesel", "pesel-invalid"),
    ]
    assert await identity.key_rows() == set()
    assert "Kow" not in repr(faulty)
