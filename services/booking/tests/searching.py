"""What do tests of the search look at, and how do facts come to pass that no endpoint makes?"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from booking.add_service.decide import ADD_SERVICE, AddService
from booking.open_doctor_day.decide import slot_id
from portal_events.base import Event
from portal_events.booking import DoctorDayOpened, ServiceAdded, Visit
from portal_events.testing import ANNA, opened, visit

from .house import CONTEXT, DENTIST, NOWAK, OCHOTA, SIX, House, project, slot_of

WARSAW = ZoneInfo("Europe/Warsaw")
HALF_HOUR = timedelta(minutes=30)


async def search(house: House, patient: UUID = ANNA, /, **query: str) -> list[dict[str, Any]]:
    """Return what a patient finds: a dentist, unless another service is named."""
    wanted = {"serviceId": str(DENTIST), **query}
    answer = await house.client.get("/slots", params=wanted, headers=house.headers(patient))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def lines(items: list[dict[str, Any]]) -> list[str]:
    """Show items as the page shows them, but in UTC."""
    return [f"{i['startsAt'][11:16]} {i['doctor']['name']} {i['facility']['street']}" for i in items]


def clocks(items: list[dict[str, Any]]) -> list[str]:
    """Show when items begin, as the clock on the wall of the place does."""
    starts = ((datetime.fromisoformat(item["startsAt"]), ZoneInfo(item["zone"])) for item in items)
    return [start.astimezone(zone).strftime("%F %H:%M") for start, zone in starts]


async def catch_up(house: House, after: int = 0) -> None:
    await project(house.state.views, await house.store.tail(after, 1000))


async def happened(house: House, *events: Event) -> None:
    """Let these events come to pass and reach the views, in one batch."""
    outcome = await house.decider.append(events, CONTEXT)
    await catch_up(house, outcome.positions[0] - 1)


def added(service: AddService) -> ServiceAdded:
    [event] = ADD_SERVICE.decide(service, ADD_SERVICE.initial)
    assert isinstance(event, ServiceAdded)
    return event


def day_of(
    *starts: datetime,
    service: UUID = DENTIST,
    doctor: UUID = NOWAK,
    facility: UUID = OCHOTA,
    zone: str = "Europe/Warsaw",
) -> DoctorDayOpened:
    """Let a doctor offer half hours at these times, all on the date of the first."""
    return opened(
        *(
            visit(
                starts_at,
                slot_id=slot_id(doctor, facility, service, starts_at),
                doctor_id=doctor,
                service_id=service,
                facility_id=facility,
                zone=zone,
            )
            for starts_at in starts
        )
    )


def dentists_visit(starts_at: datetime = SIX, doctor: UUID = NOWAK, facility: UUID = OCHOTA) -> Visit:
    """Return the visit that the dentist's slot at this time and place is."""
    return visit(
        starts_at,
        slot_id=slot_of(starts_at, facility=facility, doctor=doctor),
        doctor_id=doctor,
        service_id=DENTIST,
        facility_id=facility,
    )
