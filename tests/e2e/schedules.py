"""How do doctors come to have visits that a test needs? Schedules have no page of their own yet."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from booking.add_doctor.decide import ADD_DOCTOR, AddDoctor
from booking.open_doctor_day.decide import OPEN_DOCTOR_DAY, OpenDoctorDay, Session
from booking.rules.time_overlap import SHORTEST_MINUTES
from booking.rules.wall_clock import Hours
from portal_demo.network import FACILITIES, SERVICES
from portal_events.booking import Mode
from portal_eventstore.command import Context
from portal_eventstore.decision import Decision
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_faults.running import RunningPortal

from .browser import WARSAW

SERVICE_ID = SERVICES["internist"].service_id
VISIT = timedelta(minutes=SHORTEST_MINUTES)


async def carry_out(portal: RunningPortal, *commands: tuple[Decision[Any, Any], Any]) -> None:
    """Let booking decide on commands, in process, as the demo network comes into a portal."""
    store = await PostgresStore.connect(portal.database_urls["booking"], "booking")
    decider = Decider(store)
    context = Context(time=datetime.now(UTC), actor="system:test", correlation_id=uuid.uuid4())
    for decision, command in commands:
        await decider.execute(decision, command, context)
    await decider.close()
    await store.close()


async def open_soon(portal: RunningPortal, number: int, ahead: timedelta) -> str:
    """Take a new doctor into the network, with so many visits from so long after now on; return the id."""
    doctor_id = uuid.uuid4()
    doctor = AddDoctor(doctor_id=doctor_id, name="lek. med. Dobrawa Dziś", pwz="5425740", languages=("pl",))
    days = [
        OpenDoctorDay(
            doctor_id=doctor_id,
            day=day,
            sessions=(
                Session(
                    facility_id=FACILITIES["ochota"].facility_id,
                    service_id=SERVICE_ID,
                    mode=Mode.IN_PERSON,
                    hours=hours,
                    minutes=SHORTEST_MINUTES,
                ),
            ),
        )
        for day, hours in hours_from((datetime.now(WARSAW) + ahead).replace(microsecond=0), number)
    ]
    await carry_out(portal, (ADD_DOCTOR, doctor), *((OPEN_DOCTOR_DAY, day) for day in days))
    return str(doctor_id)


def hours_from(start: datetime, number: int) -> Iterator[tuple[date, Hours]]:
    """Yield the hours of so many visits: on the day of `start`, and after midnight what has no room there."""
    midnight = datetime.combine(start.date() + timedelta(days=1), time(), start.tzinfo)
    today = min(number, (midnight - start) // VISIT)
    if today:
        yield start.date(), Hours(start.time(), (start + today * VISIT).time())
    if today < number:
        yield midnight.date(), Hours(time(), (midnight + (number - today) * VISIT).time())
