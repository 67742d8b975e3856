"""Does the timeline on the screen follow what happens, without being asked again?"""

from __future__ import annotations

import pytest

from .browser import Patient, apart, refused
from .conftest import Arrive, SignUp

pytestmark = pytest.mark.connected


async def test_given_an_open_stream_when_a_visit_is_booked_moved_and_cancelled_then_each_arrives(
    sign_up: SignUp,
) -> None:
    patient, other = await sign_up(), await sign_up()
    old, new = apart(await patient.browser.slots("Dermatologist"))[4:6]
    stream, others = await patient.browser.follow(), await other.browser.follow()
    assert stream.response.headers["content-type"].startswith("text/event-stream")
    assert stream.response.headers["cache-control"] == "no-store"
    for opened in (stream, others):
        ready = await opened.next()
        assert ready is not None
        assert ready.event == "ready"

    booked = (await patient.browser.book(old["slotId"])).json()
    first = await stream.next()
    moved = await patient.browser.move(booked["appointmentId"], new["slotId"])
    assert moved.status_code == 200
    second = await stream.next()
    await patient.browser.post(f"/api/appointments/{booked['appointmentId']}/cancellation")
    third = await stream.next()

    assert first is not None
    assert second is not None
    assert third is not None
    assert {sent.event for sent in (first, second, third)} == {"item"}
    assert [sent.data["startsAt"] for sent in (first, second)] == [old["startsAt"], new["startsAt"]]
    assert [sent.data["state"] for sent in (first, second, third)] == ["planned", "planned", "cancelled"]
    assert len({sent.data["id"] for sent in (first, second, third)}) == 1
    assert len({sent.id for sent in (first, second, third)}) == 3

    # Nothing of it reached the other patient: the next that arrives there is their own.
    slot = apart(await other.browser.slots("Dermatologist"))[8]
    theirs = (await other.browser.book(slot["slotId"])).json()
    sent = await others.next()
    assert sent is not None
    assert sent.data["appointmentId"] == theirs["appointmentId"]
    await stream.close()
    await others.close()


async def test_given_a_stream_that_broke_when_opened_again_with_its_last_id_then_what_was_missed_comes_first(
    patient: Patient,
) -> None:
    browser = patient.browser
    slots = apart(await browser.slots("Cardiologist"))[3:6]
    stream = await browser.follow()
    ready = await stream.next()
    assert ready is not None
    await stream.close()
    booked = [(await browser.book(slot["slotId"])).json()["appointmentId"] for slot in slots]
    await browser.timeline()

    resumed = await browser.follow(last_event_id=ready.id)
    missed = [await resumed.next() for _ in slots]

    assert {sent.data["appointmentId"] for sent in missed if sent} == set(booked)
    await resumed.close()
    lost = await browser.follow(last_event_id="nobody's")
    sent = await lost.next()
    assert sent is not None
    assert sent.event == "reset"
    await lost.close()


async def test_given_an_open_stream_when_signed_out_then_it_ends(arrive: Arrive, patient: Patient) -> None:
    stream = await patient.browser.follow()
    ready = await stream.next()
    assert ready is not None
    elsewhere = arrive()
    elsewhere.cookies.set("portal", patient.browser.cookies["portal"])
    assert (await elsewhere.sign_out()).status_code == 204
    assert await stream.next(within=15) is None
    await stream.close()


async def test_given_no_session_when_the_stream_is_opened_then_refused(arrive: Arrive) -> None:
    assert refused(await arrive().get("/api/timeline/stream")) == (401, "not-signed-in")
