"""What does a client see when it books?"""

import asyncio
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from booking.open_doctor_day.decide import slot_id
from portal_chassis.positions import decode
from portal_events.booking import AppointmentBooked
from portal_events.identity import Level
from portal_events.keys import new_data_key
from portal_events.sensitive import Sealed, reveal
from portal_events.testing import ANNA, JAN

from .house import INTERNIST, KRAKOW, LIS, MOKOTOW, NOW, SIX, House, held, offer, offers, slot_of

REASONS = [
    "Ból zęba 🦷",
    "Zażółć gęślą jaźń; größer, Übelkeit, ẞ",
    "<script>alert('x')</script>&amp;",
    "'; drop table event; --",
    "one\n\ttwo",
    "e\u0301\u200d\u202e",
    "ż" * 1000,
    "🦷" * 1000,
]
SLOT = {"slotId": str(slot_of())}
HALF_PAST_SIX = SIX + timedelta(minutes=30)


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
        "source": "portal",
        "cancellable": True,
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
    assert len(await house.events(AppointmentBooked)) == 1


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
    assert len(await house.events(AppointmentBooked)) == 1


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


@pytest.mark.parametrize("reason", REASONS)
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
        {**SLOT, "holdId": "no-id"},
        {**SLOT, "mode": "by-letter"},
    ],
)
async def test_given_a_malformed_body_when_booked_then_422_names_the_fault(house: House, body: Any) -> None:
    answer = await house.book(body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
    assert answer.json()["errors"]


@pytest.mark.parametrize("reason", ["\0", "a\0b", " \0 "])
async def test_given_a_reason_with_nul_when_booked_then_refused_clearly_and_nothing_is_booked(
    house: House, reason: str
) -> None:
    house.keys.arrived[ANNA] = new_data_key()
    answer = await house.book({**SLOT, "reason": reason})
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [
            {
                "pointer": "/reason",
                "code": "nul-character",
                "detail": "The text must not hold the character U+0000",
            }
        ],
    )
    assert await house.events(AppointmentBooked) == []


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
    assert len(await house.events(AppointmentBooked)) == 1


async def test_given_a_reason_when_anything_is_refused_then_no_log_shows_it(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    await house.book({**SLOT, "reason": "Wstydliwy powód"})
    await house.book({"slotId": "Wstydliwy powód", "reason": "Wstydliwy powód"})
    assert "Wstydliwy" not in caplog.text
    assert "Wstydliwy" not in capsys.readouterr().out


async def test_given_another_visit_of_the_service_when_booked_then_warned_and_a_repeat_warns_the_same(
    house: House,
) -> None:
    first = await house.book(SLOT, key="first")
    assert first.json()["warnings"] == []
    later = {"slotId": str(slot_of(HALF_PAST_SIX))}
    second = await house.book(later, key="second")
    warning = {"code": "same-service-booked", "appointmentId": first.json()["appointmentId"]}
    assert second.json()["warnings"] == [warning]
    # As it was when it was decided, whatever has happened since.
    await house.cancel(first.json()["appointmentId"])
    assert (await house.book(later, key="second")).json() == second.json()
    assert (await house.book(SLOT, key="first")).json() == first.json()


async def test_given_a_visit_of_another_service_when_booked_then_no_warning(house: House) -> None:
    await house.book({"slotId": str(slot_id(LIS, KRAKOW, INTERNIST, SIX))})
    assert (await house.book({"slotId": str(slot_of(HALF_PAST_SIX))})).json()["warnings"] == []


async def test_given_a_hold_when_booked_by_it_then_201_and_the_event_ends_it(house: House) -> None:
    hold_id = await held(house, slot_of())
    assert (await house.book({**SLOT, "holdId": str(hold_id)})).status_code == 201
    [event] = await house.events(AppointmentBooked)
    assert event.hold_id == hold_id


async def test_given_a_hold_that_has_lapsed_when_booked_by_it_then_410_hold_expired(house: House) -> None:
    hold_id = await held(house, slot_of())
    house.clock.append(NOW + timedelta(minutes=5))
    answer = await house.book({**SLOT, "holdId": str(hold_id)})
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/hold-expired")
    assert (await house.book(SLOT)).status_code == 201


async def test_given_anothers_hold_when_booked_then_409_slot_taken_until_it_lapses(house: House) -> None:
    await held(house, slot_of(), JAN)
    answer = await house.book(SLOT)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/slot-taken")
    house.clock.append(NOW + timedelta(minutes=5))
    assert (await house.book(SLOT)).status_code == 201


async def test_given_another_way_when_booked_then_422_mode_not_offered(house: House) -> None:
    answer = await house.book({**SLOT, "mode": "video"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/mode-not-offered")
    assert (await house.book({**SLOT, "mode": "in-person"})).status_code == 201


async def test_given_a_visit_that_has_begun_when_booked_then_422_slot_in_past(house: House) -> None:
    house.clock.append(SIX)
    answer = await house.book(SLOT)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/slot-in-past")


async def test_given_a_service_of_the_full_level_when_booked_then_403_with_the_ways_to_unlock(
    house: House,
) -> None:
    wanted = {"slotId": str(await offer(house, levels=(Level.FULL,)))}
    answer = await house.book(wanted)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/level-too-low")
    assert "bank" in answer.json()["unlockWays"]
    house.levels[ANNA] = Level.FULL
    assert (await house.book(wanted)).status_code == 201


async def test_given_a_service_that_needs_a_referral_when_booked_then_409(house: House) -> None:
    answer = await house.book({"slotId": str(await offer(house, referral_required=True))})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/referral-required")


async def test_given_ten_visits_when_booked_then_409_booking_limit_but_at_the_full_level(
    house: House,
) -> None:
    slots = await offers(house, 11)
    for slot in slots[:10]:
        assert (await house.book({"slotId": str(slot)})).status_code == 201
    answer = await house.book({"slotId": str(slots[10])})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/booking-limit")
    house.levels[ANNA] = Level.FULL
    assert (await house.book({"slotId": str(slots[10])})).status_code == 201


async def test_given_what_the_caller_has_seen_when_the_basic_level_refuses_then_the_level_is_waited_for(
    house: House,
) -> None:
    seen = {("identity.events", 3): 17}
    headers = {**house.gate.headers(ANNA, seen), "Idempotency-Key": "k"}
    house.levels[ANNA] = Level.FULL
    assert (await house.client.post("/appointments", json=SLOT, headers=headers)).status_code == 201
    assert house.waited == []
    wanted = {"slotId": str(await offer(house, levels=(Level.FULL,)))}
    again = {**headers, "Idempotency-Key": "another"}
    assert (await house.client.post("/appointments", json=wanted, headers=again)).status_code == 201
    assert house.waited == [("levels", seen)]
