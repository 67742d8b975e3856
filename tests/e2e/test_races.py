"""What happens when many people want the same at the same moment?"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter

import httpx
import pytest

from portal_bench.people import signed_in
from portal_faults.running import RunningPortal, eventually

from .browser import Browser, apart, code_of
from .conftest import Arrive, SignUp

pytestmark = pytest.mark.connected


@pytest.fixture(scope="module")
def cookies() -> list[str]:
    """Twelve sessions for all races of this file."""
    return []


@pytest.fixture
async def crowd(arrive: Arrive, cookies: list[str], sign_up: SignUp) -> list[Browser]:
    if not cookies:
        joined = await asyncio.gather(*(sign_up() for _ in range(12)))
        cookies.extend(patient.browser.cookies["portal"] for patient in joined)
    browsers = [arrive() for _ in cookies]
    for browser, cookie in zip(browsers, cookies, strict=True):
        browser.cookies.set("portal", cookie)
    return browsers


async def test_given_twelve_patients_when_all_book_one_slot_at_once_then_one_gets_it_and_one_event_is_there(
    portal: RunningPortal, crowd: list[Browser]
) -> None:
    slot = (await crowd[0].slots("Cardiologist"))[0]["slotId"]
    answers = await asyncio.gather(*(browser.book(slot) for browser in crowd))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: len(crowd) - 1}
    assert {code_of(answer) for answer in answers if answer.status_code == 409} == {"slot-taken"}
    assert len(await portal.bookings(slot)) == 1
    winner = next(n for n, answer in enumerate(answers) if answer.status_code == 201)
    assert await crowd[winner].timeline() == [answers[winner].json()["appointmentId"]]


async def test_given_five_hundred_patients_when_all_book_one_slot_at_once_then_one_201_and_499_conflicts(
    portal: RunningPortal, bystander: Browser
) -> None:
    slot = (await bystander.slots("Neurologist"))[-1]["slotId"]
    # Signing in takes a core a fifth of a second each: their sessions are put where the gateway keeps them.
    people = await signed_in(portal.database_urls["gateway"], [uuid.uuid4() for _ in range(500)])
    limits = httpx.Limits(max_connections=500)
    async with httpx.AsyncClient(base_url=portal.url, timeout=60, limits=limits, trust_env=False) as clients:

        async def book(cookie: str) -> httpx.Response:
            headers = {"Cookie": cookie, "X-Portal-CSRF": "1", "Idempotency-Key": str(uuid.uuid4())}
            return await clients.post("/api/appointments", json={"slotId": slot}, headers=headers)

        answers = await asyncio.gather(*(book(person.cookie) for person in people))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 499}
    assert {code_of(answer) for answer in answers if answer.status_code == 409} == {"slot-taken"}
    assert len(await portal.bookings(slot)) == 1


async def test_given_fifty_clicks_of_twelve_patients_when_on_one_slot_then_one_patient_and_one_appointment(
    portal: RunningPortal, crowd: list[Browser]
) -> None:
    slot = (await crowd[0].slots("Cardiologist"))[-1]["slotId"]
    # Each click has a key of its own: what keeps a patient's second click from booking again is the decision.
    who = [n % len(crowd) for n in range(50)]
    answers = await asyncio.gather(*(crowd[n].book(slot) for n in who))
    assert {answer.status_code for answer in answers} == {201, 409}
    assert {code_of(answer) for answer in answers if answer.status_code == 409} == {"slot-taken"}
    won = [(n, answer) for n, answer in zip(who, answers, strict=True) if answer.status_code == 201]
    assert len({n for n, _ in won}) == 1
    assert len({answer.json()["appointmentId"] for _, answer in won}) == 1
    assert len(await portal.bookings(slot)) == 1

    async def published() -> list[object]:
        records = await portal.first_occurrences()
        return [
            record for record in records if slot.encode() in record.value and b"appointmentId" in record.value
        ]

    assert len(await eventually(published, "the booking is on Kafka")) == 1


async def test_given_nine_visits_when_three_more_are_booked_at_once_then_exactly_one_is_accepted(
    sign_up: SignUp,
) -> None:
    browser = (await sign_up()).browser
    slots = [slot["slotId"] for slot in apart(await browser.slots("Telephone consultation"))[:12]]
    for slot in slots[:9]:
        assert (await browser.book(slot)).status_code == 201
    answers = await asyncio.gather(*(browser.book(slot) for slot in slots[9:]))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 2}
    assert {code_of(answer) for answer in answers if answer.status_code == 409} == {"booking-limit"}

    async def all_ten() -> bool:
        return len(await browser.timeline()) >= 10

    # Answers that cross each other may leave the browser with an older position than the newest.
    await eventually(all_ten, "the timeline shows ten visits")
    assert len(await browser.timeline()) == 10


async def test_given_one_patient_when_two_doctors_are_booked_for_one_time_at_once_then_one_is_accepted(
    sign_up: SignUp,
) -> None:
    browser = (await sign_up()).browser
    dentists = {slot["startsAt"]: slot["slotId"] for slot in await browser.slots("Dentist")}
    internists = {slot["startsAt"]: slot["slotId"] for slot in await browser.slots("Internist")}
    moment = max(dentists.keys() & internists.keys())
    answers = await asyncio.gather(browser.book(dentists[moment]), browser.book(internists[moment]))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 1}
    assert {code_of(answer) for answer in answers if answer.status_code == 409} == {"patient-busy"}


async def test_given_one_key_when_it_comes_ten_times_at_once_then_one_appointment(
    portal: RunningPortal, sign_up: SignUp
) -> None:
    browser = (await sign_up()).browser
    slot = (await browser.slots("Dermatologist"))[-1]["slotId"]
    answers = await asyncio.gather(*(browser.book(slot, key="impatient") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len(await portal.bookings(slot)) == 1
