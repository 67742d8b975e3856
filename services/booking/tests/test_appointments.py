"""Does a patient see the own appointments, and nobody else's?"""

from datetime import timedelta
from uuid import UUID

import pytest

from portal_events.keys import new_data_key

from .house import ANNA, JAN, PHONE, SIX, House, project, slot_of

pytestmark = pytest.mark.connected


async def booked(house: House, *, minutes: int = 0, patient: UUID = ANNA, reason: str | None = None) -> str:
    slot = slot_of(SIX + timedelta(minutes=minutes))
    answer = await house.book({"slotId": str(slot), "reason": reason}, patient=patient)
    assert answer.status_code == 201, answer.text
    await project(house.state.views, await house.store.tail(0, 1000))
    appointment_id: str = answer.json()["appointmentId"]
    return appointment_id


async def test_given_a_booking_when_read_then_it_is_shown_with_its_reason(shown: House) -> None:
    shown.keys.arrived[ANNA] = new_data_key()
    appointment_id = await booked(shown, reason="Ból zęba 🦷")
    answer = await shown.get(f"/appointments/{appointment_id}")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "appointmentId": appointment_id,
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
            "service": {
                "id": "00000000-0000-0000-0000-00000000000b",
                "name": "Stomatolog",
                "nameEn": "Dentist",
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
            "reason": "Ból zęba 🦷",
        },
    )
    row = await shown.state.views.fetchrow("select * from appointments")
    assert row["reason"].startswith("sealed:")


async def test_given_anothers_booking_when_read_then_the_404_is_the_one_of_no_booking(shown: House) -> None:
    appointment_id = await booked(shown, patient=JAN)
    anothers = await shown.get(f"/appointments/{appointment_id}")
    none = await shown.get(f"/appointments/{UUID(int=404)}")
    for answer in (anothers, none):
        problem = answer.json()
        del problem["instance"]
        assert (answer.status_code, problem["type"]) == (404, "/problems/appointment-unknown")
        assert set(problem) == {"type", "title", "status"}
    assert (await shown.get("/appointments")).json() == {"items": [], "next": None}


async def test_given_a_reason_and_no_key_when_read_then_503_and_without_one_200(shown: House) -> None:
    shown.keys.arrived[ANNA] = new_data_key()
    plain = await booked(shown)
    secret = await booked(shown, minutes=30, reason="Kontrola")
    shown.keys.arrived.clear()
    assert (await shown.get(f"/appointments/{plain}")).status_code == 200
    for path in (f"/appointments/{secret}", "/appointments"):
        answer = await shown.get(path)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/key-unavailable")


async def test_given_bookings_when_listed_then_the_earliest_first_page_by_page(shown: House) -> None:
    later = await booked(shown, minutes=60)
    first = await booked(shown)
    page = (await shown.get("/appointments", status="booked", limit="1")).json()
    assert [item["appointmentId"] for item in page["items"]] == [first]
    page = (await shown.get("/appointments", status="booked", limit="1", cursor=page["next"])).json()
    assert [item["appointmentId"] for item in page["items"]] == [later]
    assert page["next"] is None
    assert (await shown.get("/appointments", status="cancelled")).json()["items"] == []


async def test_given_staff_or_nobody_when_read_then_refused(shown: House) -> None:
    staff = shown.gate.headers(None)
    assert (await shown.client.get("/appointments", headers=staff)).status_code == 403
    assert (await shown.client.get("/appointments")).status_code == 401


@pytest.mark.parametrize("query", [{"status": "lost"}, {"cursor": "x"}, {"limit": "0"}])
async def test_given_a_malformed_query_when_listed_then_422(shown: House, query: dict[str, str]) -> None:
    assert (await shown.get("/appointments", **query)).status_code == 422


async def test_given_a_view_that_is_behind_when_read_then_the_answer_says_so(shown: House) -> None:
    async def behind(*_: object) -> bool:
        return False

    appointment_id = await booked(shown)
    shown.state.seen = behind
    for path in ("/appointments", f"/appointments/{appointment_id}"):
        assert (await shown.get(path)).headers["Portal-Stale"] == "true"
