"""What does a patient read before booking a slot?"""

from datetime import datetime
from typing import Any
from uuid import UUID

from booking.camel import Camel
from booking.rules.wanted_slot import WantedSlot
from portal_events.booking import Mode, ServiceKind

_SUMMARY = """
select o.slot_id, o.starts_at, o.zone, o.mode,
    (extract(epoch from o.ends_at - o.starts_at) / 60)::int as minutes,
    o.service_id, s.name as service_name, s.name_en as service_name_en, s.kind, s.price, s.covered,
    s.preparation, s.preparation_en,
    o.doctor_id, d.name as doctor_name,
    o.facility_id, f.name as facility_name, f.street, f.postal_code, f.city, f.phone
from free_slots_offer o
join catalogue_service s on s.service_id = o.service_id
join catalogue_doctor d on d.doctor_id = o.doctor_id
join catalogue_facility f on f.facility_id = o.facility_id
where o.slot_id = $1
"""


class ServiceSummary(Camel):
    """What will be done. `price` is in grosze; an empty `preparation` means none."""

    id: UUID
    name: str
    name_en: str
    kind: ServiceKind
    price: int
    covered: bool
    preparation: str
    preparation_en: str


class DoctorSummary(Camel):
    """Who will do it."""

    id: UUID
    name: str


class FacilitySummary(Camel):
    """Where, and whom to call."""

    id: UUID
    name: str
    street: str
    postal_code: str
    city: str
    phone: str


class SlotSummary(Camel):
    """A slot in full. `starts_at` is UTC; `zone` is the wall clock to show it on."""

    slot_id: UUID
    starts_at: datetime
    zone: str
    minutes: int
    mode: Mode
    service: ServiceSummary
    doctor: DoctorSummary
    facility: FacilitySummary

    def wanted(self) -> WantedSlot:
        """Return where the facts about the slot are to be found."""
        return WantedSlot(
            slot_id=self.slot_id,
            doctor_id=self.doctor.id,
            service_id=self.service.id,
            starts_at=self.starts_at,
            minutes=self.minutes,
        )


async def find_summary(views: Any, slot_id: UUID) -> SlotSummary | None:
    """Return a slot with the names of everything that belongs to it, whether it is free or taken."""
    row = await views.fetchrow(_SUMMARY, slot_id)
    if row is None:
        return None
    return SlotSummary(
        slot_id=row["slot_id"],
        starts_at=row["starts_at"],
        zone=row["zone"],
        minutes=row["minutes"],
        mode=row["mode"],
        service=ServiceSummary(
            id=row["service_id"],
            name=row["service_name"],
            name_en=row["service_name_en"],
            kind=row["kind"],
            price=row["price"],
            covered=row["covered"],
            preparation=row["preparation"],
            preparation_en=row["preparation_en"],
        ),
        doctor=DoctorSummary(id=row["doctor_id"], name=row["doctor_name"]),
        facility=FacilitySummary(
            id=row["facility_id"],
            name=row["facility_name"],
            street=row["street"],
            postal_code=row["postal_code"],
            city=row["city"],
            phone=row["phone"],
        ),
    )
