"""What does a client see when it cancels an appointment?"""

from uuid import UUID

from portal_chassis.positions import decode
from portal_events.booking import AppointmentCancelled
from portal_events.testing import JAN

from .house import PHONE, SIX, House, booked_by_the_desk, slot_of

SLOT = {"slotId": str(slot_of())}


async def test_given_a_visit_when_cancelled_then_200_with_the_appointment_and_others_may_have_its_time(
    house: House,
) -> None:
    appointment = (await house.book(SLOT)).json()
    answer = await house.cancel(appointment["appointmentId"])
    assert answer.status_code == 200
    del appointment["warnings"]
    assert answer.json() == {**appointment, "status": "cancelled", "cancellable": False}
    assert list(decode(answer.headers["Portal-Position"]).values()) == [await house.store.head()]
    assert (await house.book(SLOT, patient=JAN)).status_code == 201


async def test_given_a_cancelled_visit_when_cancelled_again_then_the_same_200_and_one_event(
    house: House,
) -> None:
    appointment_id = (await house.book(SLOT)).json()["appointmentId"]
    first = await house.cancel(appointment_id, key="tap")
    for key in ("tap", None, "another tap"):
        again = await house.cancel(appointment_id, key=key)
        assert (again.status_code, again.json()) == (200, first.json())
    house.clock.append(SIX)
    assert (await house.cancel(appointment_id)).json() == first.json()
    assert len(await house.events(AppointmentCancelled)) == 1


async def test_given_a_cancelled_visit_when_the_slot_is_booked_again_then_a_new_appointment(
    house: House,
) -> None:
    first = (await house.book(SLOT)).json()
    await house.cancel(first["appointmentId"])
    second = (await house.book(SLOT)).json()
    assert second["appointmentId"] != first["appointmentId"]
    assert second["warnings"] == []


async def test_given_no_appointment_or_anothers_when_cancelled_then_the_same_404(house: House) -> None:
    anothers = (await house.book(SLOT, patient=JAN)).json()["appointmentId"]
    for unknown in (anothers, UUID(int=404)):
        answer = await house.cancel(unknown)
        problem = answer.json()
        del problem["instance"]
        assert (answer.status_code, problem["type"]) == (404, "/problems/appointment-unknown")
        assert set(problem) == {"type", "title", "status"}


async def test_given_a_visit_that_has_begun_when_cancelled_then_409_already_started(house: House) -> None:
    appointment_id = (await house.book(SLOT)).json()["appointmentId"]
    house.clock.append(SIX)
    answer = await house.cancel(appointment_id)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/already-started")


async def test_given_the_desks_appointment_when_cancelled_then_409_names_the_phone(house: House) -> None:
    appointment_id = await booked_by_the_desk(house, slot_of())
    house.phones[appointment_id] = PHONE
    answer = await house.cancel(appointment_id)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-booked-here")
    assert PHONE in answer.json()["detail"]
    assert [view for view, _ in house.waited] == ["appointments"]


async def test_given_a_key_of_another_cancellation_when_cancelled_then_422(house: House) -> None:
    appointment_id = (await house.book(SLOT)).json()["appointmentId"]
    await house.cancel(appointment_id, key="tap")
    answer = await house.cancel((await house.book(SLOT)).json()["appointmentId"], key="tap")
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-key-reused")


async def test_given_nobody_staff_or_a_malformed_id_when_cancelled_then_refused(house: House) -> None:
    path = f"/appointments/{UUID(int=1)}/cancellation"
    assert (await house.client.post(path)).status_code == 401
    assert (await house.client.post(path, headers=house.headers(None))).status_code == 403
    assert (await house.cancel("no-id")).status_code == 422
    assert (await house.cancel(UUID(int=1), key="k" * 129)).status_code == 422
