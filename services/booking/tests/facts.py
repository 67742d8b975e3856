"""Which events and commands do the decisions about time speak of? For given/when/then."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from booking.rules.wanted_slot import WantedSlot
from portal_events.base import Event
from portal_events.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMoved,
    DoctorDayOpened,
    HoldReleased,
    Mode,
    ServiceAdded,
    ServiceKind,
    Slot,
    SlotHeld,
    Source,
    Visit,
)
from portal_events.identity import Level
from portal_eventstore.decision import Decision

ANNA, JAN = UUID(int=1), UUID(int=2)
DOCTOR, OTHER_DOCTOR = UUID(int=3), UUID(int=4)
OCHOTA, MOKOTOW, DENTIST, HYGIENIST = UUID(int=5), UUID(int=6), UUID(int=7), UUID(int=8)
ZONE = "Europe/Warsaw"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
AT_17 = datetime(2026, 11, 2, 17, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
VISIT, OTHER_VISIT, HOLD, OTHER_HOLD = UUID(int=900), UUID(int=901), UUID(int=800), UUID(int=801)


def service(service_id: UUID = DENTIST, **terms: Any) -> ServiceAdded:
    everything: dict[str, Any] = {
        "name": "Stomatolog",
        "name_en": "Dentist",
        "kind": ServiceKind.DENTISTRY,
        "modes": tuple(Mode),
        "levels": tuple(Level),
        "referral_required": False,
        "price": 0,
        "covered": True,
        "preparation": "",
        "preparation_en": "",
    }
    return ServiceAdded(service_id=service_id, **{**everything, **terms})


def slot(
    number: int,
    starts_at: datetime,
    minutes: int = 30,
    facility: UUID = OCHOTA,
    *,
    service_id: UUID = DENTIST,
) -> Slot:
    return Slot(
        slot_id=UUID(int=number),
        service_id=service_id,
        facility_id=facility,
        mode=Mode.TELEPHONE,
        starts_at=starts_at,
        minutes=minutes,
    )


def opened(*slots: Slot, doctor: UUID = DOCTOR) -> DoctorDayOpened:
    return DoctorDayOpened(doctor_id=doctor, date=date(2026, 11, 2), zone=ZONE, slots=slots)


def wanted(chosen: Slot, doctor: UUID = DOCTOR) -> WantedSlot:
    return WantedSlot(
        slot_id=chosen.slot_id,
        doctor_id=doctor,
        service_id=chosen.service_id,
        starts_at=chosen.starts_at,
        minutes=chosen.minutes,
    )


def visit(taken: Slot, doctor: UUID = DOCTOR) -> Visit:
    return Visit(**dict(taken), doctor_id=doctor, zone=ZONE)


def booked(
    taken: Slot,
    patient: UUID = ANNA,
    *,
    doctor: UUID = DOCTOR,
    appointment: UUID = VISIT,
    source: Source = Source.PORTAL,
    hold: UUID | None = None,
) -> AppointmentBooked:
    return AppointmentBooked(
        appointment_id=appointment,
        patient_id=patient,
        source=source,
        hold_id=hold,
        **dict(visit(taken, doctor)),
    )


def moved(
    before: Visit,
    after: Visit,
    patient: UUID = ANNA,
    *,
    appointment: UUID = VISIT,
    hold: UUID | None = None,
    source: Source = Source.PORTAL,
) -> AppointmentMoved:
    return AppointmentMoved(
        appointment_id=appointment,
        patient_id=patient,
        before=before,
        after=after,
        source=source,
        hold_id=hold,
    )


def cancelled(
    gone: Visit,
    patient: UUID = ANNA,
    *,
    appointment: UUID = VISIT,
    source: Source = Source.PORTAL,
) -> AppointmentCancelled:
    return AppointmentCancelled(appointment_id=appointment, patient_id=patient, visit=gone, source=source)


def held(
    kept: Slot,
    patient: UUID = ANNA,
    *,
    doctor: UUID = DOCTOR,
    hold: UUID = HOLD,
    until: datetime = NOW + 5 * MINUTE,
) -> SlotHeld:
    return SlotHeld(
        hold_id=hold,
        slot_id=kept.slot_id,
        patient_id=patient,
        doctor_id=doctor,
        starts_at=kept.starts_at,
        minutes=kept.minutes,
        expires_at=until,
    )


def released(hold: SlotHeld) -> HoldReleased:
    return HoldReleased(
        hold_id=hold.hold_id,
        patient_id=hold.patient_id,
        doctor_id=hold.doctor_id,
        starts_at=hold.starts_at,
        minutes=hold.minutes,
    )


def decided(decision: Decision[Any, Any], log: list[Event], command: Any) -> list[Event]:
    """Decide on what the boundary reads of the log, as the store would."""
    state = decision.initial
    criteria = decision.boundary(command)
    for event in log:
        if any(c.tag in event.tags() and type(event).__name__ in c.types for c in criteria):
            state = decision.evolve(state, event)
    return list(decision.decide(command, state))


SLOT = slot(100, AT_17)
THERE = slot(101, AT_17, facility=MOKOTOW)
NEXT = slot(102, AT_17 + 30 * MINUTE)
LATER = slot(103, AT_17 + 60 * MINUTE)
OPENED = opened(SLOT, THERE, NEXT, LATER)
SERVICE = service()
