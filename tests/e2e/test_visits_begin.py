"""What becomes of a visit, a hold and an offer at the moment when they begin?"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from booking.rules.wall_clock import slot_starts
from portal_faults.running import DEADLINE, eventually

from .browser import WARSAW, refused
from .conftest import SignUp, SlotsSoon
from .schedules import SERVICE_ID, VISIT, hours_from

# Time enough to hold and to book them before, also on a machine that is busy.
SOON = timedelta(seconds=5)


@pytest.mark.connected
async def test_given_a_visit_and_a_hold_when_their_time_comes_then_neither_is_given_up_nor_had_any_more(
    slots_soon: SlotsSoon, sign_up: SignUp
) -> None:
    one, other = (await sign_up()).browser, (await sign_up()).browser
    # Opened first, these begin first.
    offered, _ = await slots_soon(2, SOON)
    mine, later, last = await slots_soon(3, SOON)
    visit, ahead = [(await one.book(slot["slotId"])).json() for slot in (mine, later)]
    held = await other.post("/api/holds", json={"slotId": offered["slotId"]})
    assert held.status_code == 201, held.text
    doctor = {"serviceId": str(SERVICE_ID), "doctorId": offered["doctor"]["id"]}
    assert visit["cancellable"]
    assert offered in await other.items("/api/slots", **doctor)
    begins = datetime.fromisoformat(mine["startsAt"])
    own = f"/api/appointments/{visit['appointmentId']}"

    async def begun() -> bool:
        return not (await one.get(own)).json()["cancellable"]

    # In a day's last minutes they begin at midnight.
    left = (begins - datetime.now(UTC)).total_seconds()
    await eventually(begun, "the visit begins", left + DEADLINE)

    assert datetime.now(UTC) >= begins
    assert refused(await one.post(f"{own}/cancellation")) == (409, "already-started")
    assert refused(await one.move(visit["appointmentId"], last["slotId"])) == (409, "already-started")
    assert offered not in await other.items("/api/slots", **doctor)
    for answer in (
        await other.book(offered["slotId"], holdId=held.json()["holdId"]),
        await one.post("/api/holds", json={"slotId": offered["slotId"]}),
        await one.book(offered["slotId"]),
        await one.move(ahead["appointmentId"], offered["slotId"]),
    ):
        assert refused(answer) == (422, "slot-in-past")
    assert [(item["startsAt"], item["cancellable"]) for item in await one.items("/api/timeline")] == [
        (later["startsAt"], True),
        (mine["startsAt"], False),
    ]


@pytest.mark.parametrize(
    ("clock", "today"),
    [(time(9, 30, 7), 3), (time(23, 45), 3), (time(23, 45, 1), 2), (time(23, 55), 1), (time(23, 55, 1), 0)],
)
def test_given_a_time_of_day_when_three_visits_are_wanted_then_those_without_room_today_begin_at_midnight(
    clock: time, today: int
) -> None:
    start = datetime(2026, 12, 31, clock.hour, clock.minute, clock.second, tzinfo=WARSAW)
    midnight = datetime(2027, 1, 1, tzinfo=WARSAW)
    starts = [
        begin
        for day, hours in hours_from(start, 3)
        for begin in slot_starts(day, WARSAW, hours, VISIT // timedelta(minutes=1))
    ]
    assert starts == [start + n * VISIT for n in range(today)] + [
        midnight + n * VISIT for n in range(3 - today)
    ]
