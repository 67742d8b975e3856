import json
from uuid import UUID

from portal_events.base import decode
from portal_events.identity import (
    AccountCreated,
    ConfirmationMethod,
    EmailConfirmed,
    IdentityConfirmed,
    Origin,
    PasswordChange,
    PasswordChanged,
    PatientRegistered,
    Role,
    Sex,
    StaffAccountCreated,
)
from portal_events.sensitive import Plain

PATIENT = UUID("0195573e-7b1c-7c02-b0a4-00000000000e")
ACCOUNT = UUID("0195573e-7b1c-7c02-b0a4-00000000000a")


def registered(pesel_tag: str | None) -> PatientRegistered:
    return PatientRegistered(
        patient_id=PATIENT,
        given_name=Plain("Anna"),
        family_name=Plain("Nowak"),
        birth_date=Plain("1984-05-14"),
        pesel_tag=pesel_tag,
        sex=Sex.FEMALE,
        age_band="40-49",
        origin=Origin.ACCOUNT,
    )


def test_given_a_pesel_tag_then_it_is_a_tag_of_the_event() -> None:
    assert registered("v1:ab12").tags() == {f"patient:{PATIENT}", "pesel:v1:ab12"}


def test_given_a_passport_then_the_patient_is_the_only_tag() -> None:
    assert registered(None).tags() == {f"patient:{PATIENT}"}


def test_given_a_person_of_version_1_when_read_then_the_person_signed_up() -> None:
    sealed = registered("v1:ab12").sealed(event_id=ACCOUNT, key=bytes(32))
    payload = json.loads(sealed.model_dump_json(by_alias=True))
    del payload["origin"]
    assert decode("identity", "PatientRegistered", 1, json.dumps(payload)) == sealed


def test_given_an_account_then_tags_of_account_patient_and_address() -> None:
    event = AccountCreated(
        account_id=ACCOUNT,
        patient_id=PATIENT,
        email=Plain("anna@example.com"),
        email_tag="v1:cd34",
        phone=Plain("600100200"),
        language="pl",
        consents=("regulations", "privacy"),
    )
    assert event.tags() == {f"account:{ACCOUNT}", f"patient:{PATIENT}", "email:v1:cd34"}
    assert event.subject == PATIENT


def test_given_what_happens_to_an_account_then_tags_of_account_and_patient() -> None:
    of_the_account = {"account_id": ACCOUNT, "patient_id": PATIENT}
    for event in (
        EmailConfirmed(**of_the_account, email_tag="v1:cd34"),
        PasswordChanged(**of_the_account, change=PasswordChange.RESET),
        IdentityConfirmed(**of_the_account, method=ConfirmationMethod.BANK),
    ):
        assert event.tags() == {f"account:{ACCOUNT}", f"patient:{PATIENT}"}
        assert event.subject == PATIENT


def test_given_an_account_of_staff_then_its_address_is_unique_among_all() -> None:
    event = StaffAccountCreated(
        account_id=ACCOUNT,
        email=Plain("desk@example.com"),
        email_tag="v1:ef56",
        name=Plain("Ewa Lis"),
        roles=(Role.DESK,),
    )
    assert event.tags() == {f"account:{ACCOUNT}", "email:v1:ef56"}
    assert event.subject == ACCOUNT
