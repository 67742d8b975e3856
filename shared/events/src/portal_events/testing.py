"""Which events do tests let happen? Valid ones, of which a test names only what it is about."""

from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from pydantic import BaseModel

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
from portal_events.identity import AccountCreated, ConfirmationMethod, IdentityConfirmed, Level
from portal_events.sensitive import Plain

ANNA, JAN = UUID(int=1), UUID(int=2)
DOCTOR, OCHOTA, DENTIST = UUID(int=3), UUID(int=5), UUID(int=7)

M = TypeVar("M", bound=BaseModel)


def service(**changed: Any) -> ServiceAdded:
    """Add a dentist's service that everybody books in every way."""
    return _made(
        ServiceAdded,
        changed,
        service_id=DENTIST,
        name="Stomatolog",
        name_en="Dentist",
        kind=ServiceKind.DENTISTRY,
        modes=tuple(Mode),
        levels=tuple(Level),
        referral_required=False,
        price=20000,
        covered=False,
        preparation="",
        preparation_en="",
    )


def visit(starts_at: datetime, **changed: Any) -> Visit:
    """Return half an hour at the dentist's in Ochota, in a slot of its own."""
    return _made(
        Visit,
        changed,
        slot_id=uuid4(),
        doctor_id=DOCTOR,
        service_id=DENTIST,
        facility_id=OCHOTA,
        mode=Mode.IN_PERSON,
        starts_at=starts_at,
        minutes=30,
        zone="Europe/Warsaw",
    )


def opened(*visits: Visit, **changed: Any) -> DoctorDayOpened:
    """Let the doctor of these visits offer their slots, on the date of the first."""
    first = visits[0]
    return _made(
        DoctorDayOpened,
        changed,
        doctor_id=first.doctor_id,
        date=first.starts_at.astimezone(ZoneInfo(first.zone)).date(),
        zone=first.zone,
        slots=tuple(Slot(**_shared(Slot, each)) for each in visits),
    )


def held(at: Visit, patient_id: UUID = ANNA, **changed: Any) -> SlotHeld:
    """Keep a visit's time for a patient, until it begins."""
    who = {"hold_id": uuid4(), "patient_id": patient_id, "expires_at": at.starts_at}
    return _made(SlotHeld, changed, **_shared(SlotHeld, at), **who)


def released(hold: SlotHeld) -> HoldReleased:
    """Give a hold back."""
    return HoldReleased(**_shared(HoldReleased, hold))


def booked(at: Visit, patient_id: UUID = ANNA, **changed: Any) -> AppointmentBooked:
    """Book a visit, as an appointment of its own."""
    who = {"appointment_id": uuid4(), "patient_id": patient_id, "source": Source.PORTAL}
    return _made(AppointmentBooked, changed, **dict(at), **who)


def moved(before: AppointmentBooked | AppointmentMoved, after: Visit, **changed: Any) -> AppointmentMoved:
    """Move an appointment on from where this event put it."""
    return _made(
        AppointmentMoved,
        changed,
        appointment_id=before.appointment_id,
        patient_id=before.patient_id,
        before=taken_by(before),
        after=after,
        source=Source.PORTAL,
    )


def cancelled(before: AppointmentBooked | AppointmentMoved, **changed: Any) -> AppointmentCancelled:
    """Cancel an appointment where this event put it."""
    return _made(
        AppointmentCancelled,
        changed,
        appointment_id=before.appointment_id,
        patient_id=before.patient_id,
        visit=taken_by(before),
        source=Source.PORTAL,
    )


def taken_by(event: AppointmentBooked | AppointmentMoved) -> Visit:
    """Return the visit that an appointment takes from this event on."""
    return event.after if isinstance(event, AppointmentMoved) else Visit(**_shared(Visit, event))


def signed_up(patient_id: UUID, **changed: Any) -> AccountCreated:
    """Open a patient's account, its sensitive fields still plain."""
    return _made(
        AccountCreated,
        changed,
        account_id=uuid4(),
        patient_id=patient_id,
        email=Plain("jan@example.org"),
        email_tag="v1:aa",
        phone=Plain("+48600100200"),
        language="pl",
        consents=("regulations", "privacy"),
    )


def confirmed(patient_id: UUID, **changed: Any) -> IdentityConfirmed:
    """Confirm a patient's identity by a bank."""
    who = {"account_id": uuid4(), "patient_id": patient_id, "method": ConfirmationMethod.BANK}
    return _made(IdentityConfirmed, changed, **who)


def _made(cls: type[M], changed: dict[str, Any], **usual: Any) -> M:
    # Events ignore what they do not know; a test that misspells a field must hear of it.
    return cls.model_validate({**usual, **changed}, extra="forbid")


def _shared(cls: type[BaseModel], source: BaseModel) -> dict[str, Any]:
    return {name: getattr(source, name) for name in cls.model_fields if name in type(source).model_fields}
