"""Which bookings are refused, with which code?"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from portal_faults.running import RunningPortal

from .browser import Browser, Patient, apart, refused
from .conftest import Arrive, SignUp

pytestmark = pytest.mark.connected

UNKNOWN_SLOT = "00000000-0000-4000-8000-000000000000"


async def test_given_a_booked_slot_when_another_patient_books_it_then_slot_taken(sign_up: SignUp) -> None:
    first, second = await sign_up(), await sign_up()
    slot = (await first.browser.slots("Internist"))[0]["slotId"]
    assert (await first.browser.book(slot)).status_code == 201
    assert refused(await second.browser.book(slot)) == (409, "slot-taken")
    assert await second.browser.timeline() == []


async def test_given_a_visit_when_booking_another_doctor_at_that_time_then_patient_busy(
    patient: Patient,
) -> None:
    browser = patient.browser
    # The dentist's visits take 30 minutes, the internist's 15: the second of the two begins within the first.
    internists = await browser.slots("Internist")
    begin = {slot["startsAt"] for slot in internists}
    dentist = next(
        slot
        for slot in await browser.slots("Dentist", city="Warszawa")
        if begin >= {slot["startsAt"], ends_at(slot)}
        and any(slot["startsAt"] < time < ends_at(slot) for time in begin)
    )
    assert (await browser.book(dentist["slotId"])).status_code == 201
    overlapping = [s for s in internists if dentist["startsAt"] <= s["startsAt"] < ends_at(dentist)]
    assert {slot["startsAt"] for slot in overlapping} > {dentist["startsAt"]}
    for slot in overlapping:
        assert refused(await browser.book(slot["slotId"])) == (409, "patient-busy")
    after = next(slot for slot in internists if slot["startsAt"] == ends_at(dentist))
    assert (await browser.book(after["slotId"])).status_code == 201


async def test_given_ten_visits_ahead_when_booking_an_eleventh_then_booking_limit(patient: Patient) -> None:
    browser = patient.browser
    slots = apart(await browser.slots("Paediatrician"))[:11]
    for slot in slots[:10]:
        assert (await browser.book(slot["slotId"])).status_code == 201
    assert refused(await browser.book(slots[10]["slotId"])) == (409, "booking-limit")
    assert len(await browser.timeline()) == 10


async def test_given_two_addresses_of_a_doctor_at_one_time_when_one_is_booked_then_the_other_is_gone(
    sign_up: SignUp,
) -> None:
    first, second = await sign_up(), await sign_up()
    offers: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for slot in await first.browser.slots("Internist"):
        offers.setdefault((slot["doctor"]["id"], slot["startsAt"]), []).append(slot)
    here, there = next(pair for pair in offers.values() if len(pair) == 2)
    assert here["facility"]["street"] != there["facility"]["street"]

    assert (await first.browser.book(here["slotId"])).status_code == 201

    free = await first.browser.slots("Internist", doctorId=here["doctor"]["id"])
    assert {here["slotId"], there["slotId"]}.isdisjoint(slot["slotId"] for slot in free)
    assert refused(await second.browser.book(there["slotId"])) == (409, "slot-taken")
    assert refused(await first.browser.book(there["slotId"])) == (409, "slot-taken")


async def test_given_no_such_slot_when_booked_then_slot_unknown(patient: Patient) -> None:
    assert refused(await patient.browser.book(UNKNOWN_SLOT)) == (404, "slot-unknown")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b"\xff",
        b'{"slotId": 5}',
        b'{"slotId": null}',
        b'{"slotId": "no id"}',
        b'{"slotId": ["%s"]}' % UNKNOWN_SLOT.encode(),
        b'{"slotId": "%s", "reason": 5}' % UNKNOWN_SLOT.encode(),
        b'{"slotId": "%s", "reason": {"a": 1}}' % UNKNOWN_SLOT.encode(),
        b'{"slotId": "%s", "reason": "%s"}' % (UNKNOWN_SLOT.encode(), b"x" * 1001),
        b'{"slotId": "%s", "patientId": "%s"}' % (UNKNOWN_SLOT.encode(), UNKNOWN_SLOT.encode()),
        b'{"slot_id": "%s"}' % UNKNOWN_SLOT.encode(),
        b"[" * 60_000,
    ],
)
async def test_given_a_malformed_body_when_booking_then_refused_as_malformed(
    bystander: Browser, body: bytes
) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    answer = await bystander.post("/api/appointments", content=body, headers=headers)
    assert refused(answer) in {(422, "invalid"), (400, "bad-request")}


async def test_given_a_huge_body_when_booking_then_too_large(bystander: Browser) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    answer = await bystander.post("/api/appointments", content=b" " * 70_000, headers=headers)
    assert refused(answer) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/me"),
        ("GET", "/api/slots?serviceId=" + UNKNOWN_SLOT),
        ("GET", "/api/timeline"),
        ("GET", "/api/appointments"),
        ("GET", "/api/appointments/" + UNKNOWN_SLOT),
        ("POST", "/api/appointments"),
        ("DELETE", "/api/sessions/current"),
    ],
)
async def test_given_no_session_when_asked_then_not_signed_in(
    visitor: Browser, method: str, path: str
) -> None:
    for cookie in (None, "forged", "A" * 43):
        if cookie is not None:
            visitor.cookies.set("portal", cookie)
        assert refused(await visitor.request(method, path)) == (401, "not-signed-in")


async def test_given_no_idempotency_key_when_booking_then_refused(patient: Patient) -> None:
    slot = (await patient.browser.slots("Internist"))[0]["slotId"]
    for headers in ({}, {"Idempotency-Key": ""}):
        answer = await patient.browser.post("/api/appointments", json={"slotId": slot}, headers=headers)
        assert refused(answer) == (422, "idempotency-key-missing")
    too_long = await patient.browser.book(slot, key="k" * 129)
    assert refused(too_long) == (422, "idempotency-key-too-long")


async def test_given_a_booking_when_its_key_comes_again_then_the_same_answer_and_one_event(
    portal: RunningPortal, patient: Patient
) -> None:
    browser = patient.browser
    slot, other = (slot["slotId"] for slot in (await browser.slots("Gynaecologist"))[:2])
    first = await browser.book(slot, key="once")
    again = await browser.book(slot, key="once")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert refused(await browser.book(other, key="once")) == (422, "idempotency-key-reused")
    assert refused(await browser.book(slot, reason="", key="once")) == (422, "idempotency-key-reused")
    assert len(await portal.bookings(slot)) == 1
    assert await portal.bookings(other) == []
    assert await browser.timeline() == [first.json()["appointmentId"]]


async def test_given_anothers_key_when_used_then_it_is_a_key_of_ones_own(sign_up: SignUp) -> None:
    one, other = await sign_up(), await sign_up()
    first, second = (slot["slotId"] for slot in (await one.browser.slots("Dermatologist"))[:2])
    mine = await one.browser.book(first, key="shared")
    theirs = await other.browser.book(second, key="shared")
    assert mine.status_code == theirs.status_code == 201
    assert mine.json()["appointmentId"] != theirs.json()["appointmentId"]


async def test_given_a_write_from_elsewhere_when_sent_then_refused(
    portal: RunningPortal, arrive: Arrive, patient: Patient
) -> None:
    slot = (await patient.browser.slots("Ophthalmologist"))[0]["slotId"]
    bare = arrive()
    bare.cookies.set("portal", patient.browser.cookies["portal"])
    del bare.headers["X-Portal-CSRF"]
    assert refused(await bare.book(slot)) == (403, "csrf")
    for origin in (
        "https://evil.example",
        "null",
        "http://127.0.0.1",
        f"http://127.0.0.1.evil.example:{portal.port}",
    ):
        assert refused(await patient.browser.book(slot, origin=origin)) == (403, "csrf")
    assert await portal.bookings(slot) == []
    assert (await patient.browser.book(slot, origin=portal.url)).status_code == 201


@pytest.mark.parametrize(
    "query",
    [
        "",
        "serviceId=x",
        f"serviceId={UNKNOWN_SLOT}&from=2026-13-01",
        f"serviceId={UNKNOWN_SLOT}&from=2026-12-02&to=2026-12-01",
        f"serviceId={UNKNOWN_SLOT}&to=9999-12-31",
        f"serviceId={UNKNOWN_SLOT}&limit=0",
        f"serviceId={UNKNOWN_SLOT}&limit=101",
        f"serviceId={UNKNOWN_SLOT}&cursor=x",
        f"serviceId={UNKNOWN_SLOT}&mode=carrier-pigeon",
        f"serviceId={UNKNOWN_SLOT}&city=%00",
        f"serviceId={UNKNOWN_SLOT}&unknown=1",
    ],
)
async def test_given_a_search_that_makes_no_sense_when_sent_then_refused(
    bystander: Browser, query: str
) -> None:
    assert refused(await bystander.get(f"/api/slots?{query}")) == (422, "invalid")


async def test_given_preferences_when_searching_then_every_slot_fits_them_in_order(patient: Patient) -> None:
    browser = patient.browser
    service = (await browser.services())["Internist"]
    slots = await browser.slots("Internist", city="Warszawa", mode="in-person")
    assert slots
    assert {slot["service"]["id"] for slot in slots} == {service}
    assert {slot["facility"]["city"] for slot in slots} == {"Warszawa"}
    assert {slot["mode"] for slot in slots} == {"in-person"}
    assert [slot["startsAt"] for slot in slots] == sorted(slot["startsAt"] for slot in slots)
    assert len({slot["slotId"] for slot in slots}) == len(slots)
    day = slots[-1]["startsAt"][:10]
    on_day = {"from": day, "to": day}
    of_day = await browser.slots("Internist", city="Warszawa", mode="in-person", **on_day)
    assert of_day == [slot for slot in slots if slot["startsAt"][:10] == day]
    paged = await browser.slots("Internist", city="Warszawa", mode="in-person", limit=37)
    assert paged == slots
    assert await browser.slots("Internist", city="Atlantis") == []


def ends_at(slot: dict[str, Any]) -> str:
    end = datetime.fromisoformat(slot["startsAt"]) + timedelta(minutes=slot["minutes"])
    return end.isoformat().replace("+00:00", "Z")
