import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from portal_events.cloudevents import (
    Head,
    Header,
    Record,
    RecordMalformedError,
    from_record,
    head_of,
    to_record,
)
from portal_events.stored import Metadata, StoredEvent

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FULL = StoredEvent(
    owner="booking",
    position=48213,
    id=UUID("01955740-0c41-7e55-a9d3-1c7b60f8e24a"),
    type="AppointmentBooked",
    version=1,
    tags=("appointment:1", "request:ab"),
    data='{"zone":"Europe/Warsaw","city":"Łódź"}',
    time=datetime(2026, 10, 25, 1, 2, 3, 40_000, tzinfo=UTC),
    metadata=Metadata(
        subject=UUID("0195573e-7b1c-7c02-b0a4-2f6f3d1c9a11"),
        actor="system:seed",
        correlation_id=UUID("01955740-0c3f-7d10-9c52-6f0e4ab27c90"),
        append_id=UUID("01955740-0c42-7a08-8b6f-94e1d2c3075b"),
        append_size=2,
        causation_id=UUID("01955740-0c43-7a08-8b6f-94e1d2c3075b"),
        request_hash="cd",
        traceparent=TRACEPARENT,
    ),
)
BARE = replace(
    FULL, tags=(), metadata=replace(FULL.metadata, causation_id=None, request_hash=None, traceparent=None)
)

words = st.text(st.characters(codec="utf-8", exclude_characters=" "), min_size=1, max_size=30)
stored_events = st.builds(
    StoredEvent,
    owner=st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True),
    position=st.integers(0, 2**63 - 1),
    id=st.uuids(),
    type=st.from_regex(r"[A-Z][A-Za-z0-9]{0,20}", fullmatch=True),
    version=st.integers(1, 99),
    tags=st.lists(words, max_size=4).map(tuple),
    data=st.text(st.characters(codec="utf-8"), max_size=60),
    time=st.datetimes(timezones=st.just(UTC)),
    metadata=st.builds(
        Metadata,
        subject=st.uuids(),
        actor=words,
        correlation_id=st.uuids(),
        append_id=st.uuids(),
        append_size=st.integers(1, 1000),
        causation_id=st.none() | st.uuids(),
        request_hash=st.none() | words,
        traceparent=st.none() | words,
    ),
)


@given(stored_events)
def test_given_any_event_when_published_and_read_then_the_same(stored: StoredEvent) -> None:
    assert from_record(*to_record(stored)) == stored


@pytest.mark.parametrize("stored", [FULL, BARE])
def test_given_a_record_when_only_its_head_is_read_then_the_same_as_the_whole_says(
    stored: StoredEvent,
) -> None:
    assert head_of(*to_record(stored)) == Head(
        stored.owner,
        stored.type,
        stored.version,
        stored.position,
        stored.id,
        stored.time,
        stored.data.encode(),
    )
    topic, _, value, headers = to_record(stored)
    with pytest.raises(RecordMalformedError, match="ce_subject"):
        head_of(topic, b"somebody else", value, headers)


def test_given_an_event_with_everything_then_exactly_these_headers_in_this_order() -> None:
    assert to_record(FULL) == Record(
        topic="booking.events",
        key=b"0195573e-7b1c-7c02-b0a4-2f6f3d1c9a11",
        value='{"zone":"Europe/Warsaw","city":"Łódź"}'.encode(),
        headers=[
            ("ce_specversion", b"1.0"),
            ("ce_id", b"01955740-0c41-7e55-a9d3-1c7b60f8e24a"),
            ("ce_source", b"/booking"),
            ("ce_type", b"portal.booking.AppointmentBooked.v1"),
            ("ce_time", b"2026-10-25T01:02:03.040000Z"),
            ("ce_subject", b"0195573e-7b1c-7c02-b0a4-2f6f3d1c9a11"),
            ("ce_dataschema", b"/schemas/booking/AppointmentBooked.v1.json"),
            ("ce_sequence", b"48213"),
            ("ce_correlationid", b"01955740-0c3f-7d10-9c52-6f0e4ab27c90"),
            ("ce_causationid", b"01955740-0c43-7a08-8b6f-94e1d2c3075b"),
            ("ce_actor", b"system:seed"),
            ("ce_tags", b"appointment:1 request:ab"),
            ("ce_requesthash", b"cd"),
            ("ce_appendid", b"01955740-0c42-7a08-8b6f-94e1d2c3075b"),
            ("ce_appendsize", b"2"),
            ("traceparent", TRACEPARENT.encode()),
            ("content-type", b"application/json"),
        ],
    )


def test_given_nothing_to_say_then_the_optional_headers_are_left_out() -> None:
    left_out = {name for name, _ in to_record(FULL).headers} - {name for name, _ in to_record(BARE).headers}
    assert left_out == {"ce_causationid", "ce_tags", "ce_requesthash", "traceparent"}


def test_given_a_record_when_the_cloudevents_package_reads_it_then_a_valid_event() -> None:
    record = to_record(FULL)
    event = from_binary_event(KafkaMessage(dict(record.headers), record.key, record.value))
    assert event.get_specversion() == "1.0"
    assert event.get_id() == str(FULL.id)
    assert event.get_source() == "/booking"
    assert event.get_type() == "portal.booking.AppointmentBooked.v1"
    assert event.get_time() == FULL.time
    assert event.get_subject() == str(FULL.metadata.subject)
    assert event.get_dataschema() == "/schemas/booking/AppointmentBooked.v1.json"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_extension("sequence") == "48213"
    assert event.get_extension("tags") == "appointment:1 request:ab"
    assert event.get_data() == {"zone": "Europe/Warsaw", "city": "Łódź"}


@pytest.mark.parametrize("stored", [FULL, BARE])
def test_given_an_event_when_the_cloudevents_package_writes_it_then_the_same_headers(
    stored: StoredEvent,
) -> None:
    record = to_record(stored)
    event = from_binary_event(KafkaMessage(dict(record.headers), None, record.value))
    theirs = to_binary(event, JSONFormat(), lambda e: e.get_subject()).headers
    assert theirs == {name: value for name, value in record.headers if name != "traceparent"}


def test_given_a_local_time_when_published_then_utc() -> None:
    local = replace(FULL, time=FULL.time.astimezone(ZoneInfo("Europe/Warsaw")))
    assert dict(to_record(local).headers)["ce_time"] == b"2026-10-25T01:02:03.040000Z"
    whole = replace(FULL, time=datetime(2026, 10, 25, 1, 2, 3, tzinfo=UTC))
    assert dict(to_record(whole).headers)["ce_time"] == b"2026-10-25T01:02:03Z"


def test_given_a_time_without_zone_when_published_then_refused() -> None:
    with pytest.raises(ValueError, match=r"^an event's time needs a zone$"):
        to_record(replace(FULL, time=datetime(2026, 1, 1)))  # noqa: DTZ001 — the fault that is planted


def test_given_a_tag_with_a_space_when_published_then_refused() -> None:
    with pytest.raises(ValueError, match=r"^a tag must not hold a space"):
        to_record(replace(FULL, tags=("a b", "c")))


class DriverUUID(UUID):
    """As a database driver's: a subclass, which orjson refuses."""


def test_given_a_drivers_own_ids_when_published_then_the_same_record() -> None:
    driver = replace(
        FULL,
        id=DriverUUID(str(FULL.id)),
        metadata=replace(FULL.metadata, subject=DriverUUID(str(FULL.metadata.subject))),
    )
    assert to_record(driver) == to_record(FULL)


def test_given_headers_in_another_order_and_others_among_them_when_read_then_the_same() -> None:
    topic, key, value, headers = to_record(FULL)
    others = [("x", b"\xff"), ("x", b"again"), *reversed(headers)]
    assert from_record(topic, key, value, others) == FULL


def without(name: str) -> Callable[[list[Header]], list[Header]]:
    return lambda headers: [h for h in headers if h[0] != name]


def with_(name: str, value: bytes) -> Callable[[list[Header]], list[Header]]:
    return lambda headers: [(n, value if n == name else v) for n, v in headers]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without("ce_specversion"), "ce_specversion must be 1.0"),
        (with_("ce_specversion", b"0.3"), "ce_specversion must be 1.0"),
        *(
            (without(name), f"{name} is missing")
            for name in (
                "ce_id",
                "ce_type",
                "ce_time",
                "ce_sequence",
                "ce_correlationid",
                "ce_actor",
                "ce_appendid",
                "ce_appendsize",
            )
        ),
        (without("ce_source"), "ce_source must name the owner in ce_type"),
        (with_("ce_source", b"/identity"), "ce_source must name the owner in ce_type"),
        (without("ce_subject"), "ce_subject must be the record's key"),
        (with_("ce_subject", str(FULL.id).encode()), "ce_subject must be the record's key"),
        (with_("ce_type", b"AppointmentBooked"), "ce_type must be portal.<owner>.<Type>.v<n>"),
        (with_("ce_type", b"portal.booking.A.v0"), "ce_type must be portal.<owner>.<Type>.v<n>"),
        (with_("ce_type", b"portal.booking.A.v1\n"), "ce_type must be portal.<owner>.<Type>.v<n>"),
        (with_("ce_type", b"\xff"), "ce_type is not UTF-8 text"),
        (with_("ce_id", b"1"), "ce_id is not a UUID"),
        (with_("ce_id", b"{01955740-0c417e55-a9d3-1c7b60f8e24a"), "ce_id is not a UUID"),
        (with_("ce_id", b"01955740-0c41-7e55-a9d3-1c7b60f8e2_a"), "ce_id is not a UUID"),
        (with_("ce_id", b"01955740-0c41-7e55-a9d3-1c7b60f8e2 a"), "ce_id is not a UUID"),
        (with_("ce_id", b"019557400-c41-7e55-a9d3-1c7b60f8e24a"), "ce_id is not a UUID"),
        (with_("ce_id", b"\xff" * 36), "ce_id is not a UUID"),
        (with_("ce_correlationid", b""), "ce_correlationid is not a UUID"),
        (with_("ce_causationid", b"x"), "ce_causationid is not a UUID"),
        (with_("ce_appendid", b"x"), "ce_appendid is not a UUID"),
        (with_("ce_time", b"yesterday"), "ce_time is not an RFC 3339 instant"),
        (with_("ce_time", b"2026-10-25T01:02:03"), "ce_time has no offset"),
        (with_("ce_time", b"\xff"), "ce_time is not an RFC 3339 instant"),
        (with_("ce_time", b"0001-01-01T00:00:00+12:00"), "ce_time is not an RFC 3339 instant"),
        (with_("ce_sequence", b"-1"), "ce_sequence is not a decimal number"),
        (with_("ce_sequence", b"1_0"), "ce_sequence is not a decimal number"),
        (with_("ce_sequence", b" 1"), "ce_sequence is not a decimal number"),
        (with_("ce_sequence", b""), "ce_sequence is not a decimal number"),
        (with_("ce_sequence", b"9" * 20), "ce_sequence is not a decimal number"),
        (with_("ce_appendsize", b"two"), "ce_appendsize is not a decimal number"),
        (with_("ce_actor", b"\xff"), "ce_actor is not UTF-8 text"),
        (with_("ce_tags", b"\xff"), "ce_tags is not UTF-8 text"),
        (with_("traceparent", b"\xff"), "traceparent is not UTF-8 text"),
        (lambda headers: [*headers, ("ce_id", b"other")], "ce_id stands there more than once"),
    ],
)
def test_given_malformed_headers_when_read_then_refused_naming_topic_and_header(
    change: Callable[[list[Header]], list[Header]], reason: str
) -> None:
    topic, key, value, headers = to_record(FULL)
    with pytest.raises(RecordMalformedError) as refused:
        from_record(topic, key, value, change(headers))
    assert str(refused.value) == f"booking.events: {reason}"


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (None, b"{}", "ce_subject must be the record's key"),
        (b"other", b"{}", "ce_subject must be the record's key"),
        (str(FULL.metadata.subject).encode(), None, "an event has a value"),
        (str(FULL.metadata.subject).encode(), b"\xff", "value is not UTF-8 text"),
    ],
)
def test_given_a_malformed_key_or_value_when_read_then_refused(
    key: bytes | None, value: bytes | None, reason: str
) -> None:
    with pytest.raises(RecordMalformedError) as refused:
        from_record("t", key, value, to_record(FULL).headers)
    assert str(refused.value) == f"t: {reason}"


def test_given_no_key_and_no_subject_when_read_then_refused() -> None:
    with pytest.raises(RecordMalformedError, match="ce_subject is missing"):
        from_record("t", None, b"{}", without("ce_subject")(to_record(FULL).headers))


@given(
    headers=st.lists(
        st.tuples(st.sampled_from([name for name, _ in to_record(FULL).headers]), st.binary(max_size=40)),
        max_size=20,
    ),
    key=st.none() | st.binary(max_size=40),
    value=st.none() | st.binary(max_size=40),
)
def test_given_any_bytes_when_read_then_an_event_or_the_one_error(
    headers: list[Header], key: bytes | None, value: bytes | None
) -> None:
    real = to_record(FULL)
    for some in (headers, [*({**dict(real.headers), **dict(headers)}).items()]):
        try:
            stored = from_record("t", key, value, some)
        except RecordMalformedError:
            continue
        assert to_record(stored).key == key


def test_given_the_value_when_read_then_it_stays_the_text_that_it_was() -> None:
    odd = '{ "b": 1,  "a": 1.0 }'
    topic, key, value, headers = to_record(replace(FULL, data=odd))
    assert from_record(topic, key, value, headers).data == odd
    assert json.loads(value) == {"b": 1, "a": 1.0}
