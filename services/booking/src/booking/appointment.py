"""What does a client say and see of an appointment, whatever it does with it?"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from booking.camel import Camel
from portal_events.booking import AppointmentBooked, Mode, Source, Visit


class Status(StrEnum):
    """What became of an appointment. What has ended is completed: the clock says so, not an event."""

    BOOKED = "booked"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Appointment(Camel):
    """An appointment. `starts_at` is UTC; `zone` is the wall clock to show it on.

    `cancellable`: it can be cancelled and moved here, which ends with its start.
    """

    appointment_id: UUID
    slot_id: UUID
    service_id: UUID
    doctor_id: UUID
    facility_id: UUID
    mode: Mode
    starts_at: datetime
    zone: str
    minutes: int
    status: Status
    source: Source
    cancellable: bool


class SameServiceBooked(Camel):
    """The patient has another visit for this service ahead: perhaps it was to be moved."""

    code: Literal["same-service-booked"] = "same-service-booked"
    appointment_id: UUID


def shown(
    appointment_id: UUID,
    visit: AppointmentBooked | Visit,
    *,
    source: Source,
    now: datetime,
    cancelled: bool = False,
) -> Appointment:
    """Show the appointment that takes, or took, this slot."""
    return Appointment(
        appointment_id=appointment_id,
        slot_id=visit.slot_id,
        service_id=visit.service_id,
        doctor_id=visit.doctor_id,
        facility_id=visit.facility_id,
        mode=visit.mode,
        starts_at=visit.starts_at,
        zone=visit.zone,
        minutes=visit.minutes,
        status=status_at(now, visit.starts_at, visit.minutes, cancelled=cancelled),
        source=source,
        cancellable=cancellable_at(now, visit.starts_at, source, cancelled=cancelled),
    )


def status_at(now: datetime, starts_at: datetime, minutes: int, *, cancelled: bool) -> Status:
    """Return what has become of a visit by `now`."""
    if cancelled:
        return Status.CANCELLED
    ended = starts_at + timedelta(minutes=minutes) <= now
    return Status.COMPLETED if ended else Status.BOOKED


def cancellable_at(now: datetime, starts_at: datetime, source: Source, *, cancelled: bool) -> bool:
    """Say whether the patient may still give the visit up, or move it."""
    return source is Source.PORTAL and not cancelled and starts_at > now
