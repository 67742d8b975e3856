import json
from collections.abc import Iterator
from enum import Enum
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from portal_events.base import Event, UnknownEventError, decode
from portal_events.booking import AppointmentBooked
from portal_events.event_schema import sample
from portal_events.fields import fields_reader
from portal_events.schemas import SCHEMAS, golden_path, published_classes

UNREADABLE: dict[str, dict[str, object]] = {
    "a field that is missing": {"zone": None},
    "no time zone": {"startsAt": "2026-02-04T07:15:00"},
    "no instant": {"startsAt": "soon"},
    "no length": {"minutes": 0},
    "an unknown way": {"mode": "by post"},
    "no id": {"doctorId": "nobody"},
    "a number": {"doctorId": 7},
}


def _released() -> Iterator[Any]:
    for cls in published_classes():
        for version in range(1, cls.VERSION + 1):
            for only_required in (False, True):
                name = f"{cls.__name__}.v{version}{'-only-required' if only_required else ''}"
                yield pytest.param(cls, version, only_required, id=name)


def _plain(value: object) -> object:
    """Write what was read as JSON would have it, with instants and alternatives as they were read."""
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return (type(value), value.value) if isinstance(value, Enum) else to_jsonable_python(value)


@pytest.mark.parametrize(("cls", "version", "only_required"), list(_released()))
def test_given_any_released_event_when_only_its_fields_are_read_then_the_same_as_the_event_says(
    cls: type[Event], version: int, *, only_required: bool
) -> None:
    golden = json.loads(golden_path(SCHEMAS, cls, version).read_text())
    data = json.dumps(sample(golden, only_required=only_required) | {"addedLater": 1}).encode()
    event = _plain(decode(cls.OWNER, cls.__name__, version, data))
    assert isinstance(event, dict)
    told = {name: value for name, value in event.items() if name not in cls._SENSITIVE}
    assert _plain(fields_reader(cls)(version, data)) == told


@pytest.mark.parametrize("wrong", UNREADABLE)
def test_given_json_that_is_no_such_event_when_only_its_fields_are_read_then_refused_too(wrong: str) -> None:
    golden = json.loads(golden_path(SCHEMAS, AppointmentBooked, 2).read_text())
    payload = {name: v for name, v in (sample(golden) | UNREADABLE[wrong]).items() if v is not None}
    data = json.dumps(payload).encode()
    with pytest.raises(ValidationError):
        decode("booking", "AppointmentBooked", 2, data)
    with pytest.raises(msgspec.ValidationError):
        fields_reader(AppointmentBooked)(2, data)


def test_given_what_is_no_json_when_only_its_fields_are_read_then_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        fields_reader(AppointmentBooked)(2, b"{")


def test_given_a_version_without_a_way_up_when_only_its_fields_are_read_then_refused() -> None:
    with pytest.raises(UnknownEventError, match=r"^booking\.AppointmentBooked\.v0: no way up from v0$"):
        fields_reader(AppointmentBooked)(0, b"{}")


def test_given_a_type_of_field_that_is_not_known_when_a_reader_is_asked_for_then_refused() -> None:
    class Odd(BaseModel):
        odd: complex

    class OddNoted(Event):
        OWNER = "example"
        inner: Odd

    with pytest.raises(TypeError, match="complex"):
        fields_reader(OddNoted)
