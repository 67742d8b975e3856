"""Is a visit at the same time everywhere, on the nights when the clocks change?"""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest

from booking.open_doctor_day.decide import OPEN_DOCTOR_DAY, OpenDoctorDay, Session
from booking.rules.wall_clock import Hours
from portal_events.booking import Mode
from portal_faults.running import RunningPortal, eventually

from .browser import WARSAW, Patient
from .schedules import carry_out

pytestmark = pytest.mark.connected

NIGHT = Hours(time(0), time(6))
SPRING = date(2027, 3, 28)  # 02:00 becomes 03:00
AUTUMN = date(2027, 10, 31)  # 03:00 becomes 02:00


@pytest.mark.parametrize(("changes", "hours"), [(SPRING, 5), (AUTUMN, 7)])
async def test_given_a_night_when_the_clocks_change_then_no_slot_is_lost_or_doubled_and_a_visit_reads_alike(
    portal: RunningPortal, patient: Patient, changes: date, hours: int
) -> None:
    browser = patient.browser
    one = (await browser.slots("Internist", city="Gdańsk"))[0]
    await open_night(portal, one, changes)

    async def opened() -> list[dict[str, str]]:
        on = {"from": str(changes), "to": str(changes)}
        return await browser.slots("Internist", doctorId=one["doctor"]["id"], **on)

    slots = await eventually(opened, "the night's slots are offered")

    starts = [datetime.fromisoformat(slot["startsAt"]) for slot in slots]
    midnight = datetime.combine(changes, time(), WARSAW).astimezone(UTC)
    assert starts == [midnight + timedelta(minutes=30 * n) for n in range(2 * hours)]
    wall = Counter(f"{start.astimezone(WARSAW):%H:%M}" for start in starts)
    if changes == SPRING:
        assert "02:30" not in wall
    else:
        assert wall["02:30"] == 2
        # The two halves past two are two visits.
        twice = [
            s
            for s, start in zip(slots, starts, strict=True)
            if f"{start.astimezone(WARSAW):%H:%M}" == "02:30"
        ]
        for slot in twice:
            assert (await browser.book(slot["slotId"])).status_code == 201
    first_after = next(
        s for s, start in zip(slots, starts, strict=True) if start >= midnight + timedelta(hours=3)
    )
    booked = await browser.book(first_after["slotId"])
    assert booked.status_code == 201, booked.text

    shown = await browser.get(f"/api/appointments/{booked.json()['appointmentId']}")
    [item] = [
        item
        for item in await browser.items("/api/timeline")
        if item["appointmentId"] == booked.json()["appointmentId"]
    ]
    for reading in (booked.json(), shown.json(), item):
        assert (reading["startsAt"], reading["zone"]) == (first_after["startsAt"], "Europe/Warsaw")


async def open_night(portal: RunningPortal, one: dict[str, dict[str, str]], night: date) -> None:
    """Let a doctor work through a night."""
    session = Session(
        facility_id=uuid.UUID(one["facility"]["id"]),
        service_id=uuid.UUID(one["service"]["id"]),
        mode=Mode.IN_PERSON,
        hours=NIGHT,
        minutes=30,
    )
    command = OpenDoctorDay(doctor_id=uuid.UUID(one["doctor"]["id"]), day=night, sessions=(session,))
    await carry_out(portal, (OPEN_DOCTOR_DAY, command))
