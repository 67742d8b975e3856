import json
import logging
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from portal_events.identity import AccountCreated, Origin, PatientRegistered, Sex
from portal_events.sensitive import Plain, Sealed, UnsealError, reveal, seal

SECRET = "Zażółć gęślą jaźń 44051401359"
KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
EVENT = UUID("0195573e-7b1c-7c02-b0a4-000000000001")
OTHER_EVENT = UUID("0195573e-7b1c-7c02-b0a4-000000000002")
PATIENT = UUID("0195573e-7b1c-7c02-b0a4-000000000003")


def registered(**changes: object) -> PatientRegistered:
    return PatientRegistered.model_validate(
        {
            "patient_id": PATIENT,
            "given_name": Plain(SECRET),
            "family_name": Plain(SECRET),
            "birth_date": Plain(SECRET),
            "sex": Sex.FEMALE,
            "age_band": "30-39",
            "origin": Origin.ACCOUNT,
            **changes,
        }
    )


def test_given_a_plain_value_when_printed_then_the_text_is_hidden() -> None:
    value = Plain(SECRET)
    assert [repr(value), str(value), f"{value}", f"{value!r}", f"{[value]}"] == [
        *["Plain(…)"] * 4,
        "[Plain(…)]",
    ]


def test_given_an_event_with_plain_values_when_printed_or_logged_then_the_text_is_hidden(
    caplog: pytest.LogCaptureFixture,
) -> None:
    event = registered()
    logging.getLogger("portal").warning("%s %r %s", event, event, {"event": event})
    assert "Zażółć" not in repr(event) + str(event) + caplog.text
    assert caplog.text.count("given_name=Plain(…)") == 3


@pytest.mark.parametrize("mode", ["json", "python"])
def test_given_an_event_with_plain_values_when_serialised_then_refused_without_the_text(mode: str) -> None:
    with pytest.raises(PydanticSerializationError, match="seal the event first") as refused:
        registered().model_dump(mode=mode)
    assert SECRET not in str(refused.value)


def test_given_a_plain_value_when_serialised_by_json_then_refused() -> None:
    with pytest.raises(TypeError, match="Plain is not JSON serializable"):
        json.dumps({"given_name": Plain(SECRET)})


@given(text=st.text())
def test_given_any_text_when_sealed_and_revealed_then_the_same(text: str) -> None:
    sealed = seal(Plain(text), key=KEY, event_id=EVENT, field="given_name")
    assert reveal(sealed, key=KEY, event_id=EVENT, field="given_name") == text


def test_given_a_text_when_sealed_twice_then_the_ciphertexts_differ_and_hide_it() -> None:
    one, two = (seal(Plain("Anna"), key=KEY, event_id=EVENT, field="given_name") for _ in range(2))
    assert one.token != two.token
    assert one.token.startswith("sealed:v1:")
    assert "Anna" not in one.token
    assert repr(one) == "Sealed(…)"


@pytest.mark.parametrize(
    ("key", "event_id", "field"),
    [
        (OTHER_KEY, EVENT, "given_name"),
        (KEY, OTHER_EVENT, "given_name"),
        (KEY, EVENT, "family_name"),
    ],
    ids=["key", "event", "field"],
)
def test_given_a_sealed_value_when_revealed_elsewhere_then_refused(
    key: bytes, event_id: UUID, field: str
) -> None:
    sealed = seal(Plain(SECRET), key=KEY, event_id=EVENT, field="given_name")
    with pytest.raises(UnsealError, match=f"^{field} of event {event_id}$"):
        reveal(sealed, key=key, event_id=event_id, field=field)


@given(st.data())
def test_given_a_sealed_value_when_a_character_is_altered_then_refused(data: st.DataObject) -> None:
    token = seal(Plain("fourteen bytes"), key=KEY, event_id=EVENT, field="given_name").token
    body = token.removeprefix("sealed:v1:")
    assert len(body) % 4 == 0, "every bit of the token counts"
    at = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda c: c != body[at]))
    with pytest.raises(UnsealError):
        reveal(
            Sealed(f"sealed:v1:{body[:at]}{other}{body[at + 1 :]}"),
            key=KEY,
            event_id=EVENT,
            field="given_name",
        )


@pytest.mark.parametrize("token", ["sealed:v1:", "sealed:v1:AAAA", "sealed:v1:A", "sealed:v1:!!!!"])
def test_given_a_token_that_is_no_ciphertext_when_revealed_then_refused(token: str) -> None:
    with pytest.raises(UnsealError):
        reveal(Sealed(token), key=KEY, event_id=EVENT, field="given_name")


def test_given_a_token_with_something_between_when_revealed_then_refused() -> None:
    token = seal(Plain(SECRET), key=KEY, event_id=EVENT, field="given_name").token
    with pytest.raises(UnsealError):
        reveal(Sealed(f"{token[:20]}!!!!{token[20:]}"), key=KEY, event_id=EVENT, field="given_name")


@pytest.mark.parametrize("bare", [SECRET, 44051401359, ["Zażółć"], {"text": SECRET}])
def test_given_bare_text_when_an_event_is_made_then_refused_without_the_text(bare: object) -> None:
    with pytest.raises(ValidationError, match="never bare text") as refused:
        registered(given_name=bare)
    assert "Zażółć" not in str(refused.value) + repr(refused.value)
    assert "44051401359" not in str(refused.value) + repr(refused.value)


def test_given_bare_text_in_json_when_an_event_is_read_then_refused_without_the_text() -> None:
    event = registered().sealed(event_id=EVENT, key=KEY)
    payload = {**json.loads(event.model_dump_json(by_alias=True)), "familyName": SECRET}
    with pytest.raises(ValidationError, match="familyName") as refused:
        PatientRegistered.model_validate_json(json.dumps(payload))
    assert "Zażółć" not in str(refused.value) + repr(refused.value)


def test_given_an_event_when_sealed_then_every_sensitive_field_is_and_reads_back() -> None:
    event = registered(pesel=Plain("44051401359"), pesel_tag="v1:ab").sealed(event_id=EVENT, key=KEY)
    read = PatientRegistered.model_validate_json(event.model_dump_json(by_alias=True))
    assert read == event
    assert {
        name: reveal(value, key=KEY, event_id=EVENT, field=name)
        for name, value in read
        if isinstance(value, Sealed)
    } == {"given_name": SECRET, "family_name": SECRET, "birth_date": SECRET, "pesel": "44051401359"}
    assert read.passport is None


def test_given_an_event_with_plain_values_when_sealed_without_a_key_then_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^PatientRegistered has sensitive fields and needs the patient's key$"
    ):
        registered().sealed(event_id=EVENT, key=None)


def test_given_a_sealed_event_when_sealed_again_then_it_stays_as_it_is() -> None:
    event = registered().sealed(event_id=EVENT, key=KEY)
    assert event.sealed(event_id=OTHER_EVENT, key=None) is event


def test_given_an_account_when_sealed_then_address_and_telephone_are_not_in_its_json() -> None:
    event = AccountCreated(
        account_id=EVENT,
        patient_id=PATIENT,
        email=Plain("anna@example.com"),
        email_tag="v1:cd",
        phone=Plain("+48 600 100 200"),
        language="pl",
        consents=("regulations", "privacy"),
    )
    text = event.sealed(event_id=EVENT, key=KEY).model_dump_json(by_alias=True)
    assert "anna@example.com" not in text
    assert "+48 600 100 200" not in text
    assert {name for name, value in json.loads(text).items() if str(value).startswith("sealed:v1:")} == {
        "email",
        "phone",
    }
