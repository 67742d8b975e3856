from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import ValidationError

from portal_events import booking, identity
from portal_events.base import Event, UnknownEventError, decode, event_class, event_classes
from portal_events.booking import AppointmentBooked, Mode, Source
from portal_events.sensitive import Plain
from portal_events.stored import Metadata, StoredEvent

ONE = UUID("0195573e-7b1c-7c02-b0a4-000000000001")
TWO = UUID("0195573e-7b1c-7c02-b0a4-000000000002")


class ExampleEvent(Event):
    OWNER: ClassVar[str] = "example"


def _renamed(payload: dict[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in payload.items() if k != "words"}, "text": payload["words"]}


def _with_length(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "length": len(payload["text"])}


class BaseNoted(ExampleEvent):
    """Version 1 had `words`, version 2 calls it `text`, version 3 adds its length."""

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("note_id", "patient_id", "reply_to")
    VERSION: ClassVar[int] = 3
    UPCASTERS = {1: _renamed, 2: _with_length}  # noqa: RUF012 — declared as a mapping that nobody changes

    note_id: UUID
    patient_id: UUID
    text: str
    length: int
    reply_to: UUID | None = None


class BaseUnreachable(ExampleEvent):
    """Nobody wrote the way up from version 1."""

    SUBJECT: ClassVar[str] = "note_id"
    VERSION: ClassVar[int] = 2

    note_id: UUID


class BaseWrongSubject(ExampleEvent):
    """Its subject is no id."""

    SUBJECT: ClassVar[str] = "city"

    city: str


NOTED = BaseNoted(note_id=ONE, patient_id=TWO, text="abc", length=3)


def test_given_an_event_when_asked_for_tags_then_each_tagged_field_that_is_set_gives_one() -> None:
    assert NOTED.tags() == {f"note:{ONE}", f"patient:{TWO}"}
    assert NOTED.model_copy(update={"reply_to": TWO}).tags() == {
        f"note:{ONE}",
        f"patient:{TWO}",
        f"reply_to:{TWO}",
    }


def test_given_an_event_when_written_and_read_back_then_its_tags_are_the_same() -> None:
    booked = AppointmentBooked(
        appointment_id=ONE,
        slot_id=TWO,
        patient_id=TWO,
        doctor_id=ONE,
        service_id=ONE,
        facility_id=ONE,
        mode=Mode.VIDEO,
        starts_at=datetime(2026, 10, 24, 21, 50, tzinfo=UTC),
        minutes=20,
        zone="Europe/Warsaw",
        source=Source.PORTAL,
        reason=Plain("boli"),
    )
    sealed = booked.sealed(event_id=ONE, key=bytes(32))
    read = decode("booking", "AppointmentBooked", booked.VERSION, sealed.model_dump_json(by_alias=True))
    assert booked.tags() == sealed.tags() == read.tags()
    assert "boli" not in " ".join(booked.tags())


def test_given_an_event_when_asked_for_its_subject_then_the_id_in_that_field() -> None:
    assert NOTED.subject == TWO
    with pytest.raises(TypeError, match=r"^BaseWrongSubject\.city is not an id$"):
        _ = BaseWrongSubject(city="Łódź").subject


def test_given_an_event_when_changed_then_refused() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        NOTED.text = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("version", "data"),
    [
        (1, f'{{"noteId":"{ONE}","patientId":"{TWO}","words":"abc"}}'),
        (2, f'{{"noteId":"{ONE}","patientId":"{TWO}","text":"abc"}}'),
        (3, f'{{"noteId":"{ONE}","patientId":"{TWO}","text":"abc","length":3}}'),
        (3, f'{{"noteId":"{ONE}","patientId":"{TWO}","text":"abc","length":3,"added":[1]}}'),
        (4, f'{{"noteId":"{ONE}","patientId":"{TWO}","text":"abc","length":3,"newer":true}}'),
    ],
    ids=["v1", "v2", "v3", "v3-with-an-unknown-field", "newer"],
)
def test_given_any_version_when_decoded_then_the_event_of_today(version: int, data: str) -> None:
    assert decode("example", "BaseNoted", version, data) == NOTED
    assert decode("example", "BaseNoted", version, data.encode()) == NOTED


def test_given_a_version_without_a_way_up_when_decoded_then_refused() -> None:
    with pytest.raises(UnknownEventError, match=r"^example\.BaseUnreachable\.v1: no way up from v1$"):
        decode("example", "BaseUnreachable", 1, f'{{"noteId":"{ONE}"}}')


def test_given_an_unknown_type_when_decoded_then_refused_by_name() -> None:
    with pytest.raises(UnknownEventError, match=r"^example\.NeverHeardOf$"):
        decode("example", "NeverHeardOf", 1, "{}")
    with pytest.raises(UnknownEventError, match=r"^nobody\.BaseNoted$"):
        event_class("nobody", "BaseNoted")


def test_given_json_that_lacks_a_field_when_decoded_then_refused_without_the_values() -> None:
    with pytest.raises(ValidationError, match="noteId") as refused:
        decode("example", "BaseNoted", 3, f'{{"patientId":"{TWO}","text":"Jan Kowalski","length":1}}')
    assert "Kowalski" not in str(refused.value)


def test_given_the_owners_then_their_events_are_known_by_name_and_bases_are_none() -> None:
    names = [cls.__name__ for cls in event_classes("booking")]
    assert names == sorted(names)
    assert {"AppointmentBooked", "DoctorDayOpened"} <= set(names)
    assert "BookingEvent" not in names
    assert event_class("identity", "AccountCreated") is identity.AccountCreated
    assert event_class("booking", "ServiceAdded") is booking.ServiceAdded


def test_given_a_stored_event_when_decoded_then_its_class() -> None:
    stored = StoredEvent(
        owner="example",
        position=1,
        id=ONE,
        type="BaseNoted",
        version=1,
        tags=(),
        data=f'{{"noteId":"{ONE}","patientId":"{TWO}","words":"abc"}}',
        time=datetime(2026, 1, 1, tzinfo=UTC),
        metadata=Metadata(TWO, "system:test", ONE, ONE, 1),
    )
    assert stored.decode() == NOTED
