"""What does one item of the timeline tell?"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from gateway.timeline.filters import State
from gateway.timeline.kind import Kind
from portal_events.booking import Source

FORMAT: Final = orjson.OPT_UTC_Z
"""How items are written as JSON, on a page and on a stream."""

# Ids come as text, ready to be written. Names are null until the directory has caught up with the network.
COLUMNS: Final = """
    t.starts_at, t.id::text as id, t.kind, t.minutes, t.zone, t.appointment_id::text as appointment_id,
    t.source, t.cancelled, service.name as title, service.name_en as title_en, doctor.name as doctor,
    facility.name as facility, facility.street, facility.postal_code, facility.city, facility.phone
"""
"""What `item_of` reads of a row `t` of the view, joined with `NAMES`."""

NAMES: Final = """
    left join directory service on service.id = t.service_id
    left join directory doctor on doctor.id = t.doctor_id
    left join directory facility on facility.id = t.facility_id
"""


class _Told(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class TimelinePlace(_Told):
    """Where the visit is, and whom to call about it."""

    name: str
    street: str
    postal_code: str
    city: str
    phone: str


class TimelineItem(_Told):
    """What `item_of` returns. Names are null until the network's catalogue has been read."""

    id: UUID
    appointment_id: UUID
    kind: Kind
    state: State
    starts_at: datetime
    zone: str
    minutes: int
    title: str | None
    title_en: str | None
    doctor: str | None
    facility: TimelinePlace | None
    source: Source
    cancellable: bool


def item_of(row: Any, now: datetime) -> dict[str, Any]:
    """Return the item as the page and the stream tell it."""
    starts_at: datetime = row["starts_at"]
    state = state_of(row, now)
    return {
        "id": row["id"],
        "appointmentId": row["appointment_id"],
        "kind": row["kind"],
        "state": state,
        "startsAt": starts_at,
        "zone": row["zone"],
        "minutes": row["minutes"],
        "title": row["title"],
        "titleEn": row["title_en"],
        "doctor": row["doctor"],
        "facility": row["facility"]
        and {
            "name": row["facility"],
            "street": row["street"],
            "postalCode": row["postal_code"],
            "city": row["city"],
            "phone": row["phone"],
        },
        "source": row["source"],
        # As booking decides: up to the start, and what a desk made only that desk cancels.
        "cancellable": state is State.PLANNED and row["source"] == Source.PORTAL and starts_at > now,
    }


def state_of(row: Any, now: datetime) -> State:
    """Return what has become of the row's visit by now."""
    if row["cancelled"]:
        return State.CANCELLED
    over = row["starts_at"] + timedelta(minutes=row["minutes"]) <= now
    return State.COMPLETED if over else State.PLANNED
