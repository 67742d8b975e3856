"""Which facts does booking publish?"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, PositiveInt
from pydantic.alias_generators import to_camel

from portal_events.base import Event, Upcaster
from portal_events.identity import Level
from portal_events.sensitive import Sensitive

_WARSAW = ZoneInfo("Europe/Warsaw")


class Mode(StrEnum):
    """How doctor and patient meet."""

    IN_PERSON = "in-person"
    TELEPHONE = "telephone"
    VIDEO = "video"


class ServiceKind(StrEnum):
    """The first choice of a person who looks for a visit."""

    CONSULTATION = "consultation"
    DENTISTRY = "dentistry"
    EXAMINATION = "examination"
    VACCINATION = "vaccination"
    REHABILITATION = "rehabilitation"
    OCCUPATIONAL_MEDICINE = "occupational-medicine"


class Source(StrEnum):
    """Where something was asked for: in the portal by the patient, or at a desk."""

    PORTAL = "portal"
    DESK = "desk"


class BookingEvent(Event):
    """An event that booking owns."""

    OWNER: ClassVar[str] = "booking"


def _plain_service(payload: dict[str, Any]) -> dict[str, Any]:
    # Version 1 knew no difference between services: everybody could book each in every way.
    return {
        **payload,
        "kind": ServiceKind.CONSULTATION.value,
        "modes": [mode.value for mode in Mode],
        "levels": [level.value for level in Level],
        "referralRequired": False,
        "covered": False,
        "preparation": "",
        "preparationEn": "",
    }


class ServiceAdded(BookingEvent):
    """The network offers a service. `price` is in grosze; `covered`: a plan pays it.

    `levels`: who may book it in the portal. `preparation`: what to do before the visit, empty for nothing.
    """

    VERSION: ClassVar[int] = 2
    UPCASTERS: ClassVar[Mapping[int, Upcaster]] = {1: _plain_service}
    SUBJECT: ClassVar[str] = "service_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("service_id",)

    service_id: UUID
    name: str
    name_en: str
    kind: ServiceKind
    modes: tuple[Mode, ...]
    levels: tuple[Level, ...]
    referral_required: bool
    price: int
    covered: bool
    preparation: str
    preparation_en: str


def _plain_facility(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "postalCode": "", "phone": "", "partner": False}


class FacilityAdded(BookingEvent):
    """The network runs a facility; `zone` is its wall clock (IANA name), `phone` its desk's number (E.164).

    `partner`: run by another company for the network.
    """

    VERSION: ClassVar[int] = 2
    UPCASTERS: ClassVar[Mapping[int, Upcaster]] = {1: _plain_facility}
    SUBJECT: ClassVar[str] = "facility_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("facility_id",)

    facility_id: UUID
    name: str
    street: str
    postal_code: str
    city: str
    zone: str
    phone: str
    partner: bool


class DoctorAdded(BookingEvent):
    """A doctor works for the network. `pwz` is the licence number; name and licence are public."""

    SUBJECT: ClassVar[str] = "doctor_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("doctor_id",)

    doctor_id: UUID
    name: str
    pwz: str
    languages: tuple[str, ...]


class Slot(BaseModel):
    """One offer of a doctor's day. `starts_at` is UTC; `minutes` its length."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    slot_id: UUID
    service_id: UUID
    facility_id: UUID
    mode: Mode
    starts_at: AwareDatetime
    minutes: PositiveInt


class DoctorDayOpened(BookingEvent):
    """A doctor offers visits on one date of the wall clock in `zone`; offers may overlap each other."""

    SUBJECT: ClassVar[str] = "doctor_id"

    doctor_id: UUID
    date: date
    zone: str
    slots: tuple[Slot, ...]

    def tags(self) -> frozenset[str]:
        """Return a tag for every Warsaw date that a slot touches, and the day's own."""
        touched = {tag for s in self.slots for tag in doctor_days(self.doctor_id, s.starts_at, s.minutes)}
        return frozenset({f"doctor-day:{self.doctor_id}:{self.date}", *touched})


class SlotHeld(BookingEvent):
    """A patient chose a slot: until `expires_at` (UTC) the doctor's time is kept, at every address."""

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("hold_id", "patient_id")

    hold_id: UUID
    slot_id: UUID
    patient_id: UUID
    doctor_id: UUID
    starts_at: AwareDatetime
    minutes: PositiveInt
    expires_at: AwareDatetime

    def tags(self) -> frozenset[str]:
        """Add the doctor's days that the held time touches."""
        return super().tags() | doctor_days(self.doctor_id, self.starts_at, self.minutes)


class HoldReleased(BookingEvent):
    """A patient gave a held slot back before it lapsed. Repeats the time, and so the tags, of the hold."""

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("hold_id", "patient_id")

    hold_id: UUID
    patient_id: UUID
    doctor_id: UUID
    starts_at: AwareDatetime
    minutes: PositiveInt

    def tags(self) -> frozenset[str]:
        """Add the doctor's days that the held time touched."""
        return super().tags() | doctor_days(self.doctor_id, self.starts_at, self.minutes)


def _booked_in_the_portal(payload: dict[str, Any]) -> dict[str, Any]:
    # Version 1 knew no desk and no holds.
    return {**payload, "source": Source.PORTAL.value}


class AppointmentBooked(BookingEvent):
    """A patient took a slot. Ids only, but for the patient's own words in `reason`.

    `hold_id`: the patient's hold on this slot, which ends with it.
    """

    VERSION: ClassVar[int] = 2
    UPCASTERS: ClassVar[Mapping[int, Upcaster]] = {1: _booked_in_the_portal}
    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("appointment_id", "patient_id")

    appointment_id: UUID
    slot_id: UUID
    patient_id: UUID
    doctor_id: UUID
    service_id: UUID
    facility_id: UUID
    mode: Mode
    starts_at: AwareDatetime
    minutes: PositiveInt
    zone: str
    source: Source
    hold_id: UUID | None = None
    reason: Sensitive | None = None

    def tags(self) -> frozenset[str]:
        """Add the doctor's days that the visit touches: the boundary of the doctor's time."""
        return super().tags() | doctor_days(self.doctor_id, self.starts_at, self.minutes)


class Visit(BaseModel):
    """A slot that an appointment takes. `starts_at` is UTC, `zone` the wall clock of the place."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    slot_id: UUID
    doctor_id: UUID
    service_id: UUID
    facility_id: UUID
    mode: Mode
    starts_at: AwareDatetime
    minutes: PositiveInt
    zone: str

    def doctor_days(self) -> frozenset[str]:
        """Return the tags of the doctor's days that the visit touches."""
        return doctor_days(self.doctor_id, self.starts_at, self.minutes)


class AppointmentMoved(BookingEvent):
    """An appointment takes another slot; the one before is free again. Both intervals' tags are repeated."""

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("appointment_id", "patient_id")

    appointment_id: UUID
    patient_id: UUID
    before: Visit
    after: Visit
    source: Source
    hold_id: UUID | None = None

    def tags(self) -> frozenset[str]:
        """Add the doctors' days of both visits."""
        return super().tags() | self.before.doctor_days() | self.after.doctor_days()


class AppointmentCancelled(BookingEvent):
    """A visit will not take place; its time is free again."""

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("appointment_id", "patient_id")

    appointment_id: UUID
    patient_id: UUID
    visit: Visit
    source: Source

    def tags(self) -> frozenset[str]:
        """Add the doctor's days that the visit touched."""
        return super().tags() | self.visit.doctor_days()


def doctor_days(doctor_id: UUID, starts_at: datetime, minutes: int) -> frozenset[str]:
    """Return `doctor-day:<doctor>:<date>` for every Warsaw date that the interval touches."""
    first = starts_at.astimezone(_WARSAW).date()
    # The end is exclusive: a visit that ends at midnight does not touch the next day.
    last = (starts_at + timedelta(minutes=minutes) - timedelta(microseconds=1)).astimezone(_WARSAW).date()
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return frozenset(f"doctor-day:{doctor_id}:{day}" for day in days)
