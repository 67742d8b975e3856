"""Does a patient's own text survive the way through the portal, whatever it is?"""

from __future__ import annotations

import pytest

from .browser import Patient, apart, field_codes
from .people import Typed, token

pytestmark = pytest.mark.connected

TEXTS = {
    "a thousand characters": "ż" * 1000,
    "a thousand emoji": "🦷" * 1000,
    "emoji": "🤒👩🏽‍⚕️ 🇵🇱",
    "Polish and German": "Zażółć gęślą jaźń; größer, Übelkeit, ß, ẞ",
    "combining": "e\u0301 versus \u00e9",
    "right to left": "\u202eabc \u05d0\u05d1",
    "markup": "<script>alert('x')</script><img src=x onerror=alert(1)>&amp;",
    "query": "'; drop table event; -- ${jndi:ldap://x} {{7*7}} %s %00",
    "lines": "one\ntwo\r\n\tthree",
    "controls": "\x01\x02\x7f\x1b[31m",
    "not characters": "\ufffe\uffff\U0010ffff",
    "like a sealed one": "sealed:v1:AAAA",
    "null": "null",
}


@pytest.mark.parametrize("names", [list(TEXTS)[:7], list(TEXTS)[7:]], ids=["one", "two"])
async def test_given_any_text_as_reason_when_booked_then_it_comes_back_unchanged_to_its_owner(
    known_patient: Patient, typed: Typed, names: list[str]
) -> None:
    browser = known_patient.browser
    slots = apart(await browser.slots("Dentist", city="Kraków"))
    for slot, name in zip(slots, names, strict=False):
        text = TEXTS[name]
        booked = await browser.book(slot["slotId"], reason=text)
        assert booked.status_code == 201, (name, booked.text)
        shown = await browser.get(f"/api/appointments/{booked.json()['appointmentId']}")
        assert shown.json()["reason"] == text, name
        if len(text) > 20:
            typed.texts.add(text)


async def test_given_a_text_that_is_too_long_when_booked_then_refused(known_patient: Patient) -> None:
    slot = (await known_patient.browser.slots("Dentist"))[0]["slotId"]
    answer = await known_patient.browser.book(slot, reason="x" * 1001)
    assert list(field_codes(answer)) == ["/reason"]


async def test_given_nul_in_a_text_when_booked_then_refused_clearly_and_nothing_is_booked(
    known_patient: Patient,
) -> None:
    slot = (await known_patient.browser.slots("Dentist"))[0]["slotId"]
    answer = await known_patient.browser.book(slot, reason="before\x00after")
    assert field_codes(answer) == {"/reason": "nul-character"}
    assert await known_patient.browser.items("/api/appointments", status="booked") == []


async def test_given_half_a_character_when_sent_then_refused(
    known_patient: Patient,
) -> None:
    slot = (await known_patient.browser.slots("Dentist"))[0]["slotId"]
    answer = await known_patient.browser.post(
        "/api/appointments",
        content=f'{{"slotId": "{slot}", "reason": "\\ud83e {token(8)}"}}',
        headers={"Content-Type": "application/json", "Idempotency-Key": "surrogate"},
    )
    assert answer.status_code in {400, 422}, answer.text


async def test_given_a_reason_of_spaces_when_booked_then_there_is_none(known_patient: Patient) -> None:
    slot = (await known_patient.browser.slots("Dentist"))[-1]["slotId"]
    booked = await known_patient.browser.book(slot, reason="  \n ")
    assert booked.status_code == 201
    [shown] = await known_patient.browser.items("/api/appointments")
    assert shown["reason"] is None
