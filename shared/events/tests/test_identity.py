from uuid import UUID

from portal_events.identity import AccountCreated, PatientRegistered, Sex
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
    )


def test_given_a_pesel_tag_then_it_is_a_tag_of_the_event() -> None:
    assert registered("v1:ab12").tags() == {f"patient:{PATIENT}", "pesel:v1:ab12"}


def test_given_a_passport_then_the_patient_is_the_only_tag() -> None:
    assert registered(None).tags() == {f"patient:{PATIENT}"}


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
