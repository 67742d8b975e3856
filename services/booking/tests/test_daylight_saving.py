"""Does a visit at night read the same everywhere when the clock is put back or forward?"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from booking.open_doctor_day.decide import OPEN_DOCTOR_DAY, OpenDoctorDay
from booking.rules.wall_clock import Hours

from .house import CONTEXT, DENTIST, KRAKOW, LIS, House, project, session, slot_of

pytestmark = pytest.mark.connected

WARSAW = ZoneInfo("Europe/Warsaw")
PUT_BACK, PUT_FORWARD = date(2026, 10, 25), date(2027, 3, 28)

NIGHTS = {
    "the first 02:30": (PUT_BACK, "2026-10-25T00:30:00Z", "02:30+0200"),
    "the second 02:30": (PUT_BACK, "2026-10-25T01:30:00Z", "02:30+0100"),
    "the last before the skip": (PUT_FORWARD, "2027-03-28T00:30:00Z", "01:30+0100"),
    "the first after the skip": (PUT_FORWARD, "2027-03-28T01:00:00Z", "03:00+0200"),
}


async def night(house: House, day: date) -> None:
    """Let Lis work from one to four, a week before which it is now."""
    house.clock.append(datetime.combine(day, time(12), UTC) - timedelta(days=7))
    hours = session(KRAKOW, Hours(time(1), time(4)))
    command = OpenDoctorDay(doctor_id=LIS, day=day, sessions=(hours,))
    await house.decider.execute(OPEN_DOCTOR_DAY, command, replace(CONTEXT, time=house.clock[-1]))
    await up_to_date(house)


async def up_to_date(house: House) -> None:
    await project(house.state.views, await house.store.tail(0, 1000))


def when(item: dict[str, Any]) -> tuple[str, str]:
    return item["startsAt"], item["zone"]


@pytest.mark.parametrize(("day", "starts_at", "wall_clock"), NIGHTS.values(), ids=NIGHTS)
async def test_given_a_night_when_the_clock_is_put_when_booked_then_every_answer_says_the_same_instant(
    shown: House, day: date, starts_at: str, wall_clock: str
) -> None:
    await night(shown, day)
    instant = datetime.fromisoformat(starts_at)
    assert instant.astimezone(WARSAW).strftime("%H:%M%z") == wall_clock
    slot = slot_of(instant, facility=KRAKOW, doctor=LIS)
    same = (starts_at, "Europe/Warsaw")

    found = (await shown.get("/slots", serviceId=str(DENTIST), **{"from": str(day), "to": str(day)})).json()
    assert [when(item) for item in found["items"] if item["slotId"] == str(slot)] == [same]
    assert when((await shown.hold(slot)).json()["slot"]) == same
    booked = (await shown.book({"slotId": str(slot)})).json()
    await up_to_date(shown)
    assert when(booked) == same
    path = f"/appointments/{booked['appointmentId']}"
    assert when((await shown.get(path)).json()) == same
    [listed] = (await shown.get("/appointments")).json()["items"]
    assert when(listed) == same

    later = slot_of(instant + timedelta(minutes=30), facility=KRAKOW, doctor=LIS)
    moved = (await shown.move(booked["appointmentId"], {"slotId": str(later)})).json()
    await up_to_date(shown)
    assert when(moved) == when((await shown.get(path)).json())
    assert datetime.fromisoformat(moved["startsAt"]) == instant + timedelta(minutes=30)
    back = (await shown.move(booked["appointmentId"], {"slotId": str(slot)})).json()
    await up_to_date(shown)
    assert when(back) == same
    cancelled = (await shown.cancel(booked["appointmentId"])).json()
    await up_to_date(shown)
    assert when(cancelled) == when((await shown.get(path)).json()) == same


@pytest.mark.parametrize(("day", "number"), [(PUT_BACK, 8), (PUT_FORWARD, 4)])
async def test_given_a_night_when_the_clock_is_put_when_all_of_it_is_booked_then_nothing_overlaps_or_is_lost(
    shown: House, day: date, number: int
) -> None:
    await night(shown, day)
    window = {"from": str(day), "to": str(day)}
    found = (await shown.get("/slots", serviceId=str(DENTIST), **window)).json()["items"]
    assert len(found) == number
    for slot in found:
        assert (await shown.book({"slotId": slot["slotId"]})).status_code == 201
    await up_to_date(shown)
    listed = (await shown.get("/appointments")).json()["items"]
    assert [when(item) for item in listed] == [when(slot) for slot in found]
    assert len({item["startsAt"] for item in listed}) == number
    assert (await shown.get("/slots", serviceId=str(DENTIST), **window)).json()["items"] == []
