"""What does a client see when it books?"""

import asyncio
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from booking.app import build_app
from portal_chassis.positions import decode
from portal_events.booking import AppointmentBooked
from portal_events.keys import new_data_key
from portal_events.sensitive import Sealed, reveal

from .house import ANNA, JAN, KRAKOW, LIS, MOKOTOW, SIX, House, slot_of

SLOT = {"slotId": str(slot_of())}
HALF_PAST_SIX = SIX + timedelta(minutes=30)


async def booked_events(house: House) -> list[AppointmentBooked]:
    stored = [event.decode() for event in await house.store.tail(0, 1000)]
    return [event for event in stored if isinstance(event, AppointmentBooked)]


async def test_given_a_free_slot_when_booked_then_201_with_the_appointment(house: House) -> None:
    answer = await house.book(SLOT)
    assert answer.status_code == 201
    appointment = answer.json()
    assert UUID(appointment.pop("appointmentId")).version == 7
    assert appointment == {
        "slotId": str(slot_of()),
        "serviceId": "00000000-0000-0000-0000-00000000000b",
        "doctorId": "00000000-0000-0000-0000-00000000001f",
        "facilityId": "00000000-0000-0000-0000-000000000015",
        "mode": "in-person",
        "startsAt": "2026-11-02T17:00:00Z",
        "zone": "Europe/Warsaw",
        "minutes": 30,
        "status": "booked",
        "warnings": [],
    }
    [(place, position)] = decode(answer.headers["Portal-Position"]).items()
    assert place[0] == "booking.events"
    assert position == await house.store.head()


async def test_given_a_booking_when_its_key_comes_again_then_the_same_answer_and_one_event(
    house: House,
) -> None:
    first = await house.book(SLOT, key="tap")
    again = await house.book(SLOT, key="tap")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Portal-Position"] == first.headers["Portal-Position"]
    assert len(await booked_events(house)) == 1


async def test_given_a_booking_when_its_key_comes_with_another_body_then_refused(house: House) -> None:
    await house.book(SLOT, key="tap")
    answer = await house.book({"slotId": str(slot_of(HALF_PAST_SIX))}, key="tap")
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-key-reused")


async def test_given_a_held_slot_when_booked_with_another_key_then_the_existing_appointment(
    house: House,
) -> None:
    first = await house.book(SLOT)
    again = await house.book(SLOT)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(await booked_events(house)) == 1


async def test_given_a_taken_slot_when_booked_at_either_address_then_409_slot_taken(house: House) -> None:
    await house.book(SLOT, patient=JAN)
    for facility in (None, MOKOTOW):
        wanted = slot_of() if facility is None else slot_of(facility=facility)
        answer = await house.book({"slotId": str(wanted)})
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/slot-taken")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_given_a_visit_elsewhere_when_booked_at_the_same_time_then_409_patient_busy(
    house: House,
) -> None:
    await house.book(SLOT)
    answer = await house.book({"slotId": str(slot_of(facility=KRAKOW, doctor=LIS))})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/patient-busy")


async def test_given_no_such_slot_when_booked_then_404_after_waiting_for_what_the_caller_knows(
    house: House,
) -> None:
    answer = await house.book({"slotId": str(UUID(int=404))})
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/slot-unknown")
    assert [view for view, _ in house.waited] == ["free_slots"]


async def test_given_a_slot_that_arrives_while_waiting_when_booked_then_201(house: House) -> None:
    late = house.state.find_slot
    answers = [None, await late(slot_of())]

    async def find(_: UUID) -> Any:
        return answers.pop(0)

    house.state.find_slot = find
    assert (await house.book(SLOT)).status_code == 201


@pytest.mark.parametrize("reason", ["Ból zęba 🦷", "\0", "a\0b", "e\u0301\u200d\u202e", "x" * 1000])
async def test_given_a_reason_when_booked_then_only_its_ciphertext_is_stored(
    house: House, reason: str
) -> None:
    house.keys.arrived[ANNA] = new_data_key()
    assert (await house.book({**SLOT, "reason": f"  {reason} "})).status_code == 201
    stored = (await house.store.tail(0, 1000))[-1]
    event = stored.decode()
    assert isinstance(event, AppointmentBooked)
    assert isinstance(event.reason, Sealed)
    assert reveal(event.reason, key=house.keys.arrived[ANNA], event_id=stored.id, field="reason") == reason
    assert len(reason) < 3 or reason not in stored.data


async def test_given_no_key_yet_when_booked_with_a_reason_then_503_and_without_one_201(house: House) -> None:
    answer = await house.book({**SLOT, "reason": "Kontrola"})
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/key-unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert (await house.book({**SLOT, "reason": "   "})).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "slotId",
        {"slotId": None},
        {"slotId": 7},
        {"slotId": "no-id"},
        {**SLOT, "patientId": str(JAN)},
        {**SLOT, "reason": 7},
        {**SLOT, "reason": ["x"]},
        {**SLOT, "reason": "x" * 1001},
        {**SLOT, "reason": "\ud800"},
    ],
)
async def test_given_a_malformed_body_when_booked_then_422_names_the_fault(house: House, body: Any) -> None:
    answer = await house.book(body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
    assert answer.json()["errors"]


async def test_given_no_key_or_a_long_one_when_booked_then_422(house: House) -> None:
    headers = house.gate.headers(ANNA)
    missing = await house.client.post("/appointments", json=SLOT, headers=headers)
    assert missing.json()["type"] == "/problems/idempotency-key-missing"
    long = await house.book(SLOT, key="k" * 129)
    assert (long.status_code, long.json()["type"]) == (422, "/problems/idempotency-key-too-long")


async def test_given_nobody_or_staff_when_booked_then_refused(house: House) -> None:
    nobody = await house.client.post("/appointments", json=SLOT, headers={"Idempotency-Key": "k"})
    assert (nobody.status_code, nobody.json()["type"]) == (401, "/problems/not-signed-in")
    staff = await house.book(SLOT, patient=None)
    assert (staff.status_code, staff.json()["type"]) == (403, "/problems/patient-only")


async def test_given_sixteen_taps_at_once_when_booked_then_one_wins_and_nobody_sees_5xx(
    house: House,
) -> None:
    answers = await asyncio.gather(*(house.book(SLOT, patient=UUID(int=1000 + n)) for n in range(16)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    assert len(await booked_events(house)) == 1


async def test_given_a_reason_when_anything_is_refused_then_no_log_shows_it(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    await house.book({**SLOT, "reason": "Wstydliwy powód"})
    await house.book({"slotId": "Wstydliwy powód", "reason": "Wstydliwy powód"})
    assert "Wstydliwy" not in caplog.text
    assert "Wstydliwy" not in capsys.readouterr().out


def test_given_the_endpoints_when_described_then_every_refusal_is_listed() -> None:
    paths = build_app().openapi()["paths"]
    conflict = paths["/appointments"]["post"]["responses"]["409"]["content"]["application/problem+json"]
    assert set(conflict["examples"]) == {"slot-taken", "patient-busy", "booking-limit"}
    assert set(paths) == {
        "/appointments",
        "/appointments/{appointment_id}",
        "/catalogue/doctors",
        "/catalogue/facilities",
        "/catalogue/services",
        "/slots",
    }
