"""What do tests of the search look at, and how do facts come to pass that no endpoint makes?"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from booking.add_service.decide import ADD_SERVICE, AddService
from booking.open_doctor_day.decide import slot_id
from portal_events.base import Event
from portal_events.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMoved,
    DoctorDayOpened,
    HoldReleased,
    Mode,
    ServiceAdded,
    Slot,
    SlotHeld,
    Source,
    Visit,
)

from .house import ANNA, CONTEXT, DENTIST, NOW, NOWAK, OCHOTA, SIX, House, project, slot_of

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
    return DoctorDayOpened(
        doctor_id=doctor,
        date=starts[0].astimezone(ZoneInfo(zone)).date(),
        zone=zone,
        slots=tuple(
            Slot(
                slot_id=slot_id(doctor, facility, service, starts_at),
                service_id=service,
                facility_id=facility,
                mode=Mode.IN_PERSON,
                starts_at=starts_at,
                minutes=30,
            )
            for starts_at in starts
        ),
    )


def visit(starts_at: datetime = SIX, doctor: UUID = NOWAK, facility: UUID = OCHOTA) -> Visit:
    return Visit(
        slot_id=slot_of(starts_at, facility=facility, doctor=doctor),
        doctor_id=doctor,
        service_id=DENTIST,
        facility_id=facility,
        mode=Mode.IN_PERSON,
        starts_at=starts_at,
        minutes=30,
        zone="Europe/Warsaw",
    )


def booked(number: int, at: Visit, patient: UUID = ANNA, hold: UUID | None = None) -> AppointmentBooked:
    return AppointmentBooked(
        appointment_id=UUID(int=number),
        patient_id=patient,
        source=Source.PORTAL,
        hold_id=hold,
        **at.model_dump(),
    )


def moved(
    number: int, before: Visit, after: Visit, patient: UUID = ANNA, hold: UUID | None = None
) -> AppointmentMoved:
    return AppointmentMoved(
        appointment_id=UUID(int=number),
        patient_id=patient,
        before=before,
        after=after,
        source=Source.PORTAL,
        hold_id=hold,
    )


def cancelled(number: int, at: Visit, patient: UUID = ANNA) -> AppointmentCancelled:
    return AppointmentCancelled(
        appointment_id=UUID(int=number), patient_id=patient, visit=at, source=Source.PORTAL
    )


def held(hold: UUID, at: Visit, patient: UUID = ANNA, *, until: datetime = NOW + HALF_HOUR) -> SlotHeld:
    return SlotHeld(
        hold_id=hold,
        slot_id=at.slot_id,
        patient_id=patient,
        doctor_id=at.doctor_id,
        starts_at=at.starts_at,
        minutes=at.minutes,
        expires_at=until,
    )


def released(hold: UUID, at: Visit, patient: UUID = ANNA) -> HoldReleased:
    return HoldReleased(
        hold_id=hold,
        patient_id=patient,
        doctor_id=at.doctor_id,
        starts_at=at.starts_at,
        minutes=at.minutes,
    )
