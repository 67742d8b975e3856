"""Which facts does booking publish?"""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, PositiveInt
from pydantic.alias_generators import to_camel

from portal_events.base import Event
from portal_events.sensitive import Sensitive

_WARSAW = ZoneInfo("Europe/Warsaw")


class Mode(StrEnum):
    """How doctor and patient meet."""

    IN_PERSON = "in-person"
    TELEPHONE = "telephone"
    VIDEO = "video"


class BookingEvent(Event):
    """An event that booking owns."""

    OWNER: ClassVar[str] = "booking"


class ServiceAdded(BookingEvent):
    """The network offers a service. `price` is in grosze."""

    SUBJECT: ClassVar[str] = "service_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("service_id",)

    service_id: UUID
    name: str
    name_en: str
    price: int


class FacilityAdded(BookingEvent):
    """The network runs a facility; `zone` is its wall clock (IANA name)."""

    SUBJECT: ClassVar[str] = "facility_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("facility_id",)

    facility_id: UUID
    name: str
    street: str
    city: str
    zone: str


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


class AppointmentBooked(BookingEvent):
    """A patient took a slot. Ids only, but for the patient's own words in `reason`."""

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
    reason: Sensitive | None = None

    def tags(self) -> frozenset[str]:
        """Add the doctor's days that the visit touches: the boundary of the doctor's time."""
        return super().tags() | doctor_days(self.doctor_id, self.starts_at, self.minutes)


def doctor_days(doctor_id: UUID, starts_at: datetime, minutes: int) -> frozenset[str]:
    """Return `doctor-day:<doctor>:<date>` for every Warsaw date that the interval touches."""
    first = starts_at.astimezone(_WARSAW).date()
    # The end is exclusive: a visit that ends at midnight does not touch the next day.
    last = (starts_at + timedelta(minutes=minutes) - timedelta(microseconds=1)).astimezone(_WARSAW).date()
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return frozenset(f"doctor-day:{doctor_id}:{day}" for day in days)
