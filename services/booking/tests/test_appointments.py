"""Does a patient see the own appointments, and nobody else's?"""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from portal_events.keys import new_data_key
from portal_events.testing import ANNA, JAN

from .house import MOKOTOW, PHONE, SIX, House, booked_by_the_desk, project, slot_of

pytestmark = pytest.mark.connected


async def booked(house: House, *, minutes: int = 0, patient: UUID = ANNA, reason: str | None = None) -> str:
    slot = slot_of(SIX + timedelta(minutes=minutes))
    answer = await house.book({"slotId": str(slot), "reason": reason}, patient=patient)
    assert answer.status_code == 201, answer.text
    await up_to_date(house)
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


async def ids(house: House, **query: str) -> list[str]:
    answer = await house.get("/appointments", **query)
    assert answer.status_code == 200, answer.text
    return [item["appointmentId"] for item in answer.json()["items"]]


async def up_to_date(house: House) -> None:
    """Let every event reach the views, once more if it has been there already."""
    await project(house.state.views, await house.store.tail(0, 1000))


async def test_given_a_visit_when_moved_then_it_is_shown_where_it_is_now_with_its_reason(
    shown: House,
) -> None:
    shown.keys.arrived[ANNA] = new_data_key()
    appointment_id = await booked(shown, reason="Kontrola")
    to = slot_of(SIX + timedelta(minutes=30), facility=MOKOTOW)
    moved = (await shown.move(appointment_id, {"slotId": str(to)})).json()
    await up_to_date(shown)
    answer = (await shown.get(f"/appointments/{appointment_id}")).json()
    assert {name: answer[name] for name in moved} == moved
    assert (answer["facility"]["name"], answer["reason"]) == ("Zdrovia Mokotów", "Kontrola")
    assert await ids(shown) == [appointment_id]


async def test_given_a_cancelled_visit_when_listed_then_it_is_among_the_cancelled_only(shown: House) -> None:
    kept, gone = await booked(shown), await booked(shown, minutes=30)
    cancelled = (await shown.cancel(gone)).json()
    await up_to_date(shown)
    answer = (await shown.get(f"/appointments/{gone}")).json()
    assert {name: answer[name] for name in cancelled} == cancelled
    assert await ids(shown) == [kept, gone]
    assert await ids(shown, status="booked") == [kept]
    assert await ids(shown, status="cancelled") == [gone]


async def test_given_everything_in_one_batch_or_one_by_one_or_twice_when_projected_then_the_same_rows(
    shown: House,
) -> None:
    views = shown.state.views
    first, second = await booked(shown), await booked(shown, minutes=30)
    third = (await shown.book({"slotId": str(slot_of(SIX + timedelta(minutes=60)))})).json()["appointmentId"]
    for minutes in (60, 90):
        to = slot_of(SIX + timedelta(minutes=minutes), facility=MOKOTOW)
        assert (await shown.move(third, {"slotId": str(to)})).status_code == 200
    await shown.move(first, {"slotId": str(slot_of(SIX + timedelta(minutes=60)))})
    await shown.cancel(first)
    await shown.cancel(second)
    events = await shown.store.tail(0, 1000)
    seen = []
    for batches in ([events], [[event] for event in events], [events, events]):
        await views.execute("truncate appointments")
        for batch in batches:
            await project(views, list(batch))
        seen.append([dict(row) for row in await views.fetch("select * from appointments order by 1")])
    assert seen[0] == seen[1] == seen[2]
    assert [row["status"] for row in seen[0]] == ["cancelled", "cancelled", "booked"]
    assert seen[0][2]["slot_id"] == slot_of(SIX + timedelta(minutes=90), facility=MOKOTOW)


async def test_given_the_clock_when_a_visit_begins_and_ends_then_it_is_not_cancellable_then_completed(
    shown: House,
) -> None:
    appointment_id = await booked(shown)

    async def at(moment: datetime) -> tuple[str, bool, list[str], list[str]]:
        shown.clock.append(moment)
        item = (await shown.get(f"/appointments/{appointment_id}")).json()
        [listed] = (await shown.get("/appointments")).json()["items"]
        assert listed == item
        completed = await ids(shown, status="completed")
        return item["status"], item["cancellable"], await ids(shown, status="booked"), completed

    microsecond, half_an_hour = timedelta(microseconds=1), timedelta(minutes=30)
    assert await at(SIX - microsecond) == ("booked", True, [appointment_id], [])
    assert await at(SIX) == ("booked", False, [appointment_id], [])
    assert await at(SIX + half_an_hour - microsecond) == ("booked", False, [appointment_id], [])
    assert await at(SIX + half_an_hour) == ("completed", False, [], [appointment_id])


async def test_given_the_desks_appointment_when_read_then_it_says_so_and_whom_to_call(shown: House) -> None:
    appointment_id = await booked_by_the_desk(shown, slot_of())
    own = await booked(shown, minutes=30)
    item = (await shown.get(f"/appointments/{appointment_id}")).json()
    assert (item["source"], item["cancellable"], item["facility"]["phone"]) == ("desk", False, PHONE)
    for answer in (
        await shown.cancel(appointment_id),
        await shown.move(appointment_id, {"slotId": str(slot_of(SIX + timedelta(minutes=90)))}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-booked-here")
        assert PHONE in answer.json()["detail"]
    # The phone is for the desk's own: of nobody else's appointment anything is told.
    find = shown.state.find_desk_phone
    assert await find(ANNA, UUID(own)) is None
    assert await find(JAN, appointment_id) is None


async def test_given_no_catalogue_yet_when_read_then_the_appointment_is_there_without_names(
    shown: House,
) -> None:
    appointment_id = await booked(shown)
    await shown.state.views.execute("truncate catalogue_service, catalogue_doctor, catalogue_facility")
    item = (await shown.get(f"/appointments/{appointment_id}")).json()
    assert (item["service"]["name"], item["doctor"]["name"], item["facility"]["city"]) == ("", "", "")


async def test_given_staff_or_nobody_when_read_then_refused(shown: House) -> None:
    for path in ("/appointments", f"/appointments/{UUID(int=1)}"):
        assert (await shown.client.get(path, headers=shown.headers(None))).status_code == 403
        assert (await shown.client.get(path)).status_code == 401


@pytest.mark.parametrize("query", [{"status": "lost"}, {"cursor": "x"}, {"limit": "0"}])
async def test_given_a_malformed_query_when_listed_then_422(shown: House, query: dict[str, str]) -> None:
    assert (await shown.get("/appointments", **query)).status_code == 422


async def test_given_a_view_that_is_behind_when_read_then_the_answer_says_so(shown: House) -> None:
    async def behind(*_: object) -> dict[str, str]:
        return {"Portal-Stale": "true", "Portal-Fresh-At": "2026-11-23T19:00:00Z"}

    appointment_id = await booked(shown)
    shown.state.seen = behind
    for path in ("/appointments", f"/appointments/{appointment_id}"):
        answer = await shown.get(path)
        assert answer.headers["Portal-Stale"] == "true"
        assert answer.headers["Portal-Fresh-At"] == "2026-11-23T19:00:00Z"
