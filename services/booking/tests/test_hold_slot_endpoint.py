"""What does a client see when it holds a slot, and when it gives one back?"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from portal_chassis.positions import decode
from portal_events.booking import HoldReleased, SlotHeld
from portal_events.identity import Level
from portal_events.testing import ANNA, JAN

from .house import KRAKOW, LIS, MOKOTOW, NOW, OCHOTA, PHONE, SIX, House, offer, project, slot_of

HALF_PAST_SIX = SIX + timedelta(minutes=30)

connected = pytest.mark.connected


@connected
async def test_given_a_free_slot_when_held_then_201_with_all_there_is_to_know(shown: House) -> None:
    answer = await shown.hold(slot_of())
    assert answer.status_code == 201
    hold = answer.json()
    assert UUID(hold.pop("holdId")).version == 7
    assert hold == {
        "expiresAt": "2026-11-01T12:05:00Z",
        "slot": {
            "slotId": str(slot_of()),
            "startsAt": "2026-11-02T17:00:00Z",
            "zone": "Europe/Warsaw",
            "minutes": 30,
            "mode": "in-person",
            "service": {
                "id": "00000000-0000-0000-0000-00000000000b",
                "name": "Stomatolog",
                "nameEn": "Dentist",
                "kind": "dentistry",
                "price": 20000,
                "covered": False,
                "preparation": "Umyj zęby",
                "preparationEn": "Brush your teeth",
            },
            "doctor": {"id": "00000000-0000-0000-0000-00000000001f", "name": "lek. med. Anna Nowak"},
            "facility": {
                "id": "00000000-0000-0000-0000-000000000015",
                "name": "Zdrovia Ochota",
                "street": "ul. 1 Sierpnia 8",
                "postalCode": "02-134",
                "city": "Warszawa",
                "phone": PHONE,
            },
        },
        "warnings": [],
    }
    assert list(decode(answer.headers["Portal-Position"]).values()) == [await shown.store.head()]


@connected
async def test_given_a_hold_when_held_again_with_or_without_its_key_then_the_same_hold(shown: House) -> None:
    first = await shown.hold(slot_of(), key="tap")
    for key in ("tap", None, "another tap"):
        again = await shown.hold(slot_of(), key=key)
        assert (again.status_code, again.json()) == (201, first.json())
    assert len(await shown.events(SlotHeld)) == 1
    other = await shown.hold(slot_of(HALF_PAST_SIX), key="tap")
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    long = await shown.hold(slot_of(HALF_PAST_SIX), key="k" * 129)
    assert (long.status_code, long.json()["type"]) == (422, "/problems/idempotency-key-too-long")


@connected
async def test_given_a_visit_of_the_service_when_another_is_held_then_warned_and_a_repeat_warns_the_same(
    shown: House,
) -> None:
    booked = (await shown.book({"slotId": str(slot_of())})).json()["appointmentId"]
    warning = [{"code": "same-service-booked", "appointmentId": booked}]
    held = await shown.hold(slot_of(HALF_PAST_SIX), key="tap")
    assert held.json()["warnings"] == warning
    assert (await shown.cancel(booked)).status_code == 200
    assert (await shown.hold(slot_of(HALF_PAST_SIX), key="tap")).json() == held.json()
    assert (await shown.hold(slot_of(HALF_PAST_SIX))).json()["warnings"] == []


@connected
async def test_given_a_slot_that_is_kept_or_taken_when_held_by_another_then_409(shown: House) -> None:
    await shown.hold(slot_of(), patient=JAN)
    for facility in (OCHOTA, MOKOTOW):
        answer = await shown.hold(slot_of(facility=facility))
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/slot-taken")
    shown.clock.append(NOW + timedelta(minutes=5))
    assert (await shown.hold(slot_of())).status_code == 201


@connected
async def test_given_a_visit_elsewhere_or_two_holds_when_held_then_409(shown: House) -> None:
    await shown.book({"slotId": str(slot_of())})
    busy = await shown.hold(slot_of(facility=KRAKOW, doctor=LIS))
    assert (busy.status_code, busy.json()["type"]) == (409, "/problems/patient-busy")
    for minutes in (30, 60):
        assert (await shown.hold(slot_of(SIX + timedelta(minutes=minutes)))).status_code == 201
    third = await shown.hold(slot_of(SIX + timedelta(minutes=90)))
    assert (third.status_code, third.json()["type"]) == (409, "/problems/hold-limit")


@connected
async def test_given_terms_that_the_caller_does_not_meet_when_held_then_403_or_409(shown: House) -> None:
    slot = await offer(shown, levels=(Level.FULL,), referral_required=True)
    await project(shown.state.views, await shown.store.tail(0, 1000))
    answer = await shown.hold(slot)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/level-too-low")
    assert "bank" in answer.json()["unlockWays"]
    shown.levels[ANNA] = Level.FULL
    answer = await shown.hold(slot)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/referral-required")


@connected
async def test_given_no_slot_or_one_that_has_begun_when_held_then_refused(shown: House) -> None:
    answer = await shown.hold(UUID(int=404))
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/slot-unknown")
    assert [view for view, _ in shown.waited] == ["free_slots"]
    shown.clock.append(SIX)
    answer = await shown.hold(slot_of())
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/slot-in-past")


@pytest.mark.parametrize("body", [{}, [], None, {"slotId": "x"}, {"slotId": str(slot_of()), "minutes": 60}])
async def test_given_a_malformed_body_when_held_then_422_names_the_fault(house: House, body: Any) -> None:
    house.state.views = None
    answer = await house.client.post("/holds", json=body, headers=house.headers(ANNA))
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
    assert answer.json()["errors"]


@connected
async def test_given_a_hold_when_given_back_then_204_again_and_again_and_others_may_have_it(
    shown: House,
) -> None:
    hold_id = (await shown.hold(slot_of())).json()["holdId"]
    for _ in range(2):
        answer = await shown.release(hold_id)
        assert (answer.status_code, answer.content) == (204, b"")
    assert len(await shown.events(HoldReleased)) == 1
    assert (await shown.hold(slot_of(), patient=JAN)).status_code == 201
    booked = await shown.book({"slotId": str(slot_of()), "holdId": hold_id})
    assert (booked.status_code, booked.json()["type"]) == (410, "/problems/hold-expired")


@connected
async def test_given_a_hold_that_is_over_when_given_back_then_204_and_nothing_happens(shown: House) -> None:
    lapsed = (await shown.hold(slot_of())).json()["holdId"]
    shown.clock.append(NOW + timedelta(minutes=5))
    assert (await shown.release(lapsed)).status_code == 204
    used = (await shown.hold(slot_of())).json()["holdId"]
    assert (await shown.book({"slotId": str(slot_of()), "holdId": used})).status_code == 201
    assert (await shown.release(used)).status_code == 204
    assert await shown.events(HoldReleased) == []


@connected
async def test_given_no_hold_or_anothers_when_given_back_then_the_same_404(shown: House) -> None:
    hold_id = (await shown.hold(slot_of(), patient=JAN)).json()["holdId"]
    for unknown in (hold_id, UUID(int=404)):
        answer = await shown.release(unknown)
        problem = answer.json()
        del problem["instance"]
        assert (answer.status_code, problem["type"]) == (404, "/problems/hold-unknown")
        assert set(problem) == {"type", "title", "status"}


async def test_given_nobody_staff_or_a_malformed_id_when_holding_or_releasing_then_refused(
    house: House,
) -> None:
    house.state.views = None
    staff = house.headers(None)
    for headers, status in (({}, 401), (staff, 403)):
        held = await house.client.post("/holds", json={"slotId": str(slot_of())}, headers=headers)
        released = await house.client.delete(f"/holds/{UUID(int=1)}", headers=headers)
        assert (held.status_code, released.status_code) == (status, status)
    assert (await house.release("no-id")).status_code == 422
