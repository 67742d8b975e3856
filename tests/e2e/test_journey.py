"""Does a person get from a new account to a booked visit, and does everybody else hear of it?"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from portal_events.topics import PARTITIONS, partition_for
from portal_faults.running import RunningPortal, eventually

from .browser import Browser, Patient
from .conftest import Address, Arrive, SignUp
from .people import Typed

pytestmark = pytest.mark.connected

UUID_TEXT = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# What must stand in each header of an event on the wire (api.md).
HEADERS = {
    "ce_specversion": r"1\.0",
    "ce_id": UUID_TEXT,
    "ce_source": "/booking",
    "ce_type": r"portal\.booking\.AppointmentBooked\.v2",
    "ce_time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "ce_subject": UUID_TEXT,
    "ce_dataschema": r"/schemas/booking/AppointmentBooked\.v2\.json",
    "ce_sequence": r"[1-9]\d*",
    "ce_correlationid": UUID_TEXT,
    "ce_causationid": UUID_TEXT,
    "ce_actor": UUID_TEXT,
    "ce_tags": r"[^ ]+( [^ ]+)*",
    "ce_requesthash": r"v1:[0-9a-f]{64}",
    "ce_appendid": UUID_TEXT,
    "ce_appendsize": "1",
    "traceparent": r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
    "content-type": "application/json",
}


async def test_given_a_visitor_when_an_account_is_opened_and_a_visit_booked_then_it_is_there_and_stays(
    visitor: Browser, typed: Typed
) -> None:
    person = typed.person()

    opened = await visitor.open_account(person)
    assert opened.status_code == 201, opened.text
    assert opened.json()["level"] == "basic"
    me = (await visitor.get("/api/me")).json()
    assert (me["email"], me["givenName"], me["familyName"], me["language"], me["level"]) == (
        person.email,
        person.given_name,
        person.family_name,
        "pl",
        "basic",
    )
    assert me["capabilities"]["book-appointments"]
    assert not me["capabilities"]["prescriptions"]
    assert "bank" in me["unlockWays"]
    assert await visitor.timeline() == []

    slot = (await visitor.slots("Dentist", city="Warszawa"))[0]
    reason = typed.reason("Ząb boli od środy")
    # The account is new: its key may still be on its way to booking, which then says when to come back.
    booked = await eventually_booked(visitor, slot["slotId"], reason)

    assert booked["slotId"] == slot["slotId"]
    assert booked["startsAt"] == slot["startsAt"]
    assert booked["status"] == "booked"
    [item] = await visitor.items("/api/timeline")
    assert item["appointmentId"] == booked["appointmentId"]
    assert (item["kind"], item["state"]) == ("appointment", "planned")
    assert (item["title"], item["doctor"]) == (slot["service"]["name"], slot["doctor"]["name"])
    place = without(slot["facility"], "id")
    assert without(item["facility"], "phone") == place
    assert item["facility"]["phone"].startswith("+48")
    assert (item["startsAt"], item["zone"], item["minutes"]) == (
        slot["startsAt"],
        "Europe/Warsaw",
        slot["minutes"],
    )
    [appointment] = await visitor.items("/api/appointments")
    names = {
        "service": {"id": slot["service"]["id"], "name": "Stomatolog", "nameEn": "Dentist"},
        "doctor": {"id": slot["doctor"]["id"], "name": slot["doctor"]["name"]},
        "facility": slot["facility"] | {"phone": item["facility"]["phone"]},
    }
    assert appointment == {**without(booked, "warnings"), **names, "reason": reason}
    assert slot["slotId"] not in [free["slotId"] for free in await visitor.slots("Dentist", city="Warszawa")]

    assert (await visitor.sign_out()).status_code == 204
    assert (await visitor.get("/api/timeline")).status_code == 401
    assert (await visitor.sign_in(person.email, person.password)).status_code == 201

    assert await visitor.timeline() == [booked["appointmentId"]]
    one = await visitor.get(f"/api/appointments/{booked['appointmentId']}")
    assert one.json() == appointment


async def test_given_a_booking_when_its_event_is_read_from_kafka_then_it_is_whole_and_only_the_reason_sealed(
    portal: RunningPortal, known_patient: Patient, typed: Typed
) -> None:
    browser, patient_id = known_patient.browser, known_patient.patient_id
    slot = (await browser.slots("Cardiologist"))[0]
    reason = typed.reason()
    booked = await browser.book(slot["slotId"], reason=reason)
    assert booked.status_code == 201, booked.text
    [stored] = await portal.bookings(slot["slotId"])

    async def published() -> list[Any]:
        return [r for r in await portal.records("booking.events") if header(r, "ce_id") == str(stored["id"])]

    [record] = await eventually(published, "the event is on Kafka")

    headers = {name: value.decode() for name, value in record.headers}
    assert list(headers) == [name for name, _ in record.headers], "a header stands there twice"
    assert headers.keys() == HEADERS.keys()
    assert {
        name: value for name, value in headers.items() if not re.fullmatch(HEADERS[name], value, re.ASCII)
    } == {}
    assert record.key.decode() == headers["ce_subject"] == patient_id
    assert record.partition == partition_for(record.key, PARTITIONS)
    assert headers["ce_actor"] == (await browser.get("/api/me")).json()["accountId"]
    assert int(headers["ce_sequence"]) == stored["position"]
    assert abs(datetime.fromisoformat(headers["ce_time"]) - datetime.now(UTC)) < timedelta(minutes=5)
    tags = headers["ce_tags"].split(" ")
    assert f"patient:{patient_id}" in tags
    assert any(tag.startswith(f"doctor-day:{slot['doctor']['id']}:") for tag in tags)
    assert any(tag.startswith("request:v1:") for tag in tags)
    value = json.loads(record.value)
    sealed = value.pop("reason")
    assert value == {
        "appointmentId": booked.json()["appointmentId"],
        "slotId": slot["slotId"],
        "patientId": patient_id,
        "doctorId": slot["doctor"]["id"],
        "serviceId": slot["service"]["id"],
        "facilityId": slot["facility"]["id"],
        "mode": "in-person",
        "startsAt": slot["startsAt"],
        "minutes": slot["minutes"],
        "zone": "Europe/Warsaw",
        "source": "portal",
        "holdId": None,
    }
    assert sealed.startswith("sealed:v1:")
    assert reason not in record.value.decode()


async def test_given_the_demo_network_when_its_people_sign_in_then_what_demo_json_says_is_so(
    address: Address, arrive: Arrive
) -> None:
    demo = json.loads(address.demo.read_text())
    assert demo["url"] == address.url
    assert address.demo.stat().st_mode & 0o777 == 0o600
    shown = {}
    for patient in demo["patients"]:
        browser = arrive()
        assert (await browser.sign_in(patient["email"], patient["password"])).status_code == 201
        me = (await browser.get("/api/me")).json()
        assert (me["email"], me["level"]) == (patient["email"], patient["level"])
        shown[me["givenName"]] = len(await browser.timeline())
    assert (shown["Jan"], shown["Emily"], shown["Piotr"]) == (0, 1, 9)
    assert shown["Maria"] > 3


async def test_given_two_patients_when_each_looks_then_nobody_sees_anything_of_the_other(
    sign_up: SignUp,
) -> None:
    one, other = await sign_up(), await sign_up()
    slot = (await one.browser.slots("Dermatologist"))[0]
    booked = (await one.browser.book(slot["slotId"])).json()["appointmentId"]

    assert await other.browser.timeline() == []
    assert await other.browser.items("/api/appointments") == []
    theirs = await other.browser.get(f"/api/appointments/{booked}")
    nobodys = await other.browser.get(f"/api/appointments/{UUID(int=0)}")
    assert theirs.status_code == nobodys.status_code == 404
    # `instance` names the one occurrence; all else must be the same, or ids could be tried out.
    assert without(theirs.json(), "instance") == without(nobodys.json(), "instance")
    assert plain(theirs.headers) == plain(nobodys.headers)


def without(item: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != name}


def header(record: Any, name: str) -> str:
    headers: dict[str, bytes] = dict(record.headers)
    return headers[name].decode()


def plain(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "date"}


async def eventually_booked(browser: Browser, slot_id: str, reason: str) -> dict[str, Any]:
    async def book() -> dict[str, Any] | None:
        answer = await browser.book(slot_id, reason=reason, key="the first visit")
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
            return None
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return await eventually(book, "the first booking of a new account", 10)
