"""What does a client see when it moves an appointment?"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from booking.open_doctor_day.decide import slot_id
from portal_chassis.positions import decode
from portal_events.booking import AppointmentMoved
from portal_events.testing import ANNA, JAN

from .house import (
    INTERNIST,
    KRAKOW,
    LIS,
    MOKOTOW,
    PHONE,
    SIX,
    House,
    booked_by_the_desk,
    held,
    offers,
    slot_of,
)

HALF_PAST_SIX = SIX + timedelta(minutes=30)
SLOT = {"slotId": str(slot_of())}
LATER = {"slotId": str(slot_of(HALF_PAST_SIX))}
SEVEN = {"slotId": str(slot_of(SIX + timedelta(hours=1)))}


async def test_given_a_visit_when_moved_then_200_with_the_same_appointment_at_another_time(
    house: House,
) -> None:
    appointment = (await house.book(SLOT)).json()
    answer = await house.move(appointment["appointmentId"], LATER)
    assert answer.status_code == 200
    del appointment["warnings"]
    assert answer.json() == {**appointment, **LATER, "startsAt": "2026-11-02T17:30:00Z"}
    assert list(decode(answer.headers["Portal-Position"]).values()) == [await house.store.head()]
    assert (await house.book(SLOT, patient=JAN)).status_code == 201
    taken = await house.book(LATER, patient=JAN)
    assert (taken.status_code, taken.json()["type"]) == (409, "/problems/slot-taken")


async def test_given_a_move_when_its_key_comes_again_then_the_same_answer_and_one_event(
    house: House,
) -> None:
    appointment_id = (await house.book(SLOT)).json()["appointmentId"]
    first = await house.move(appointment_id, LATER, key="tap")
    again = await house.move(appointment_id, LATER, key="tap")
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["Portal-Position"] == first.headers["Portal-Position"]
    # Where it is already, it need not be moved to.
    assert (await house.move(appointment_id, LATER)).json() == first.json()
    assert len(await house.events(AppointmentMoved)) == 1
    other = await house.move(appointment_id, SLOT, key="tap")
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    # As it was when it was moved, whatever has become of it.
    await house.cancel(appointment_id)
    assert (await house.move(appointment_id, LATER, key="tap")).json() == first.json()


async def test_given_a_visit_when_moved_to_its_own_time_at_another_address_then_200(house: House) -> None:
    appointment_id = (await house.book(SLOT)).json()["appointmentId"]
    there = {"slotId": str(slot_of(facility=MOKOTOW))}
    assert (await house.move(appointment_id, there)).json()["slotId"] == there["slotId"]


async def test_given_ones_own_hold_when_moved_by_it_then_200_and_the_event_ends_it(house: House) -> None:
    appointment_id = (await house.book(SLOT)).json()["appointmentId"]
    hold_id = await held(house, slot_of(HALF_PAST_SIX))
    assert (await house.move(appointment_id, {**LATER, "holdId": str(hold_id)})).status_code == 200
    [event] = await house.events(AppointmentMoved)
    assert event.hold_id == hold_id


async def test_given_as_many_visits_as_allowed_when_one_is_moved_then_200(house: House) -> None:
    slots = await offers(house, 11)
    appointments = [(await house.book({"slotId": str(slot)})).json() for slot in slots[:10]]
    to = {"slotId": str(slots[10])}
    assert (await house.book(to)).json()["type"] == "/problems/booking-limit"
    assert (await house.move(appointments[0]["appointmentId"], to)).status_code == 200


REFUSED: dict[str, tuple[dict[str, str], int, str]] = {
    "taken": (LATER, 409, "slot-taken"),
    "busy": ({"slotId": str(slot_of(facility=KRAKOW, doctor=LIS))}, 409, "patient-busy"),
    "no slot": ({"slotId": str(UUID(int=404))}, 404, "slot-unknown"),
    "no hold": ({**LATER, "holdId": str(UUID(int=404))}, 410, "hold-expired"),
    "another service": (
        {"slotId": str(slot_id(LIS, KRAKOW, INTERNIST, HALF_PAST_SIX))},
        422,
        "service-differs",
    ),
}


@pytest.mark.parametrize(("to", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_given_a_slot_that_cannot_be_had_when_moved_there_then_refused_and_nothing_changed(
    house: House, to: dict[str, str], status: int, code: str
) -> None:
    appointment_id = (await house.book(SEVEN)).json()["appointmentId"]
    assert (await house.book(SLOT)).status_code == 201
    assert (await house.book(LATER, patient=JAN)).status_code == 201
    answer = await house.move(appointment_id, to)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{code}")
    assert await house.events(AppointmentMoved) == []
    assert (await house.book(SEVEN)).json()["appointmentId"] == appointment_id


async def test_given_a_slot_that_has_begun_when_moved_there_then_422_slot_in_past(house: House) -> None:
    later = (await house.book(LATER)).json()["appointmentId"]
    house.clock.append(SIX)
    answer = await house.move(later, SLOT)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/slot-in-past")


async def test_given_a_visit_that_has_begun_or_is_cancelled_when_moved_then_409(house: House) -> None:
    appointment_id = (await house.book(SLOT)).json()["appointmentId"]
    gone = (await house.book(SEVEN)).json()["appointmentId"]
    await house.cancel(gone)
    answer = await house.move(gone, LATER)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/appointment-cancelled")
    house.clock.append(SIX)
    answer = await house.move(appointment_id, LATER)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/already-started")


@pytest.mark.parametrize("to", [LATER, {"slotId": str(UUID(int=404))}])
async def test_given_the_desks_appointment_when_moved_then_409_names_the_phone(
    house: House, to: dict[str, str]
) -> None:
    appointment_id = await booked_by_the_desk(house, slot_of())
    house.phones[appointment_id] = PHONE
    answer = await house.move(appointment_id, to)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-booked-here")
    assert PHONE in answer.json()["detail"]


async def test_given_no_appointment_or_anothers_when_moved_then_the_same_404(house: House) -> None:
    anothers = (await house.book(SLOT, patient=JAN)).json()["appointmentId"]
    for unknown in (anothers, UUID(int=404)):
        answer = await house.move(unknown, LATER)
        problem = answer.json()
        del problem["instance"]
        assert (answer.status_code, problem["type"]) == (404, "/problems/appointment-unknown")
        assert set(problem) == {"type", "title", "status"}


@pytest.mark.parametrize(
    "body", [{}, [], None, {"slotId": "x"}, {**LATER, "reason": "x"}, {**LATER, "holdId": 1}]
)
async def test_given_a_malformed_body_when_moved_then_422_names_the_fault(house: House, body: Any) -> None:
    answer = await house.move(UUID(int=1), body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
    assert answer.json()["errors"]


async def test_given_nobody_staff_no_key_or_a_malformed_id_when_moved_then_refused(house: House) -> None:
    path = f"/appointments/{UUID(int=1)}/move"
    assert (await house.client.post(path, json=LATER)).status_code == 401
    assert (await house.client.post(path, json=LATER, headers=house.headers(None))).status_code == 403
    missing = await house.client.post(path, json=LATER, headers=house.headers(ANNA))
    assert missing.json()["type"] == "/problems/idempotency-key-missing"
    long = await house.move(UUID(int=1), LATER, key="k" * 129)
    assert long.json()["type"] == "/problems/idempotency-key-too-long"
    assert (await house.move("no-id", LATER)).status_code == 422
