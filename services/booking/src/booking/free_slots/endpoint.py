"""Which slots are free, for a service and the patient's preferences?"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from booking.camel import Asked, Camel
from booking.cursor import decode_cursor, encode_cursor
from booking.free_slots.part_of_day import PartOfDay
from booking.ports import CurrentSeen, CurrentViews
from booking.rules.service_terms import ModeNotOffered, ReferralRequired, ServiceUnknown
from booking.rules.time_overlap import LONGEST_MINUTES
from portal_chassis.access import CurrentCaller, NotSignedIn
from portal_chassis.clock import CurrentTime
from portal_chassis.problems import FieldError, Invalid, problems
from portal_events.booking import Mode
from portal_eventstore.decision import StoreUnavailable

router = APIRouter()

_WARSAW = ZoneInfo("Europe/Warsaw")
_DEFAULT_DAYS = 30
_MOST_DAYS = 92
_NOBODY = UUID(int=0)
_EARLIEST, _LATEST = date(2000, 1, 1), date(2200, 1, 1)

# Walks an index in the order of the answer until the page is full (app.py sees to it that nothing is sorted).
# Others' holds count while they live; one's own hides nothing from its holder. A hold that reaches into an
# offer begins at most one longest visit before it.
_WALK = f"""
select o.slot_id, o.starts_at, o.ends_at, o.zone, o.mode, o.service_id, o.doctor_id, o.doctor_name,
    o.facility_id, o.street
from free_slots_offer o
where not o.taken and not exists (
    select from free_slots_busy b
    where b.doctor_id = o.doctor_id and b.expires_at < 'infinity'
    and b.starts_at > o.starts_at - interval '{LONGEST_MINUTES} minutes'
    and b.starts_at < o.ends_at and b.ends_at > o.starts_at
    and b.expires_at > $1 and b.patient_id is distinct from $2
)
"""  # noqa: S608  a number of our own
_KEY = "o.starts_at, o.doctor_name, o.doctor_id, o.street, o.slot_id"

# What only the page's own rows need, looked up for each (a plain join compares each with every facility). Ids
# are text: this is how they are sent.
_PAGE = f"""
select o.slot_id::text, o.starts_at, o.zone, o.mode,
    (extract(epoch from o.ends_at - o.starts_at) / 60)::int as minutes,
    s.name as service_name, s.name_en as service_name_en, s.referral_required,
    o.doctor_id::text, o.doctor_name,
    o.facility_id::text, f.name as facility_name, o.street, f.postal_code, f.city
from ({{}}) o
cross join lateral (select * from catalogue_service where service_id = o.service_id limit 1) s
cross join lateral (select * from catalogue_facility where facility_id = o.facility_id limit 1) f
order by {_KEY}
"""  # noqa: S608  columns of our own

_CITY = "(select city from free_slots_place where facility_id = {0})"
# Asked of one row at a time, where a join could read them all. First of all: is there any such doctor?
_LANGUAGE = """
and {0} = any ((select languages from catalogue_doctor d where d.doctor_id = o.doctor_id)::text[])
and exists (
    select from catalogue_practice p join catalogue_doctor d using (doctor_id)
    where p.service_id = {1} and {0} = any (d.languages)
)"""

_SERVICE = "select modes, referral_required from catalogue_service where service_id = $1"


class ServiceOffered(Camel):
    """A service of the catalogue."""

    id: UUID
    name: str
    name_en: str


class DoctorOffering(Camel):
    """The doctor who offers the slot."""

    id: UUID
    name: str


class FacilityOffering(Camel):
    """Where the slot is offered."""

    id: UUID
    name: str
    street: str
    postal_code: str
    city: str


class SlotItem(Camel):
    """A free slot. `starts_at` is UTC; `zone` is the wall clock to show it on."""

    slot_id: UUID
    starts_at: datetime
    zone: str
    minutes: int
    mode: Mode
    service: ServiceOffered
    doctor: DoctorOffering
    facility: FacilityOffering


class SlotPage(BaseModel):
    """One page of the search."""

    items: list[SlotItem]
    next: str | None


class Preferences(Asked):
    """What the patient looks for; dates are days on the clock in Warsaw, both included.

    `language`: ISO 639-1, one of the doctor's. `partOfDay`: on the clock of the place; morning ends at noon,
    the afternoon at five.
    """

    service_id: UUID
    from_: Annotated[date | None, Field(alias="from", ge=_EARLIEST, le=_LATEST)] = None
    to: Annotated[date | None, Field(ge=_EARLIEST, le=_LATEST)] = None
    city: Annotated[str | None, Field(max_length=100, pattern=r"^[^\x00]+$")] = None
    facility_id: UUID | None = None
    doctor_id: UUID | None = None
    language: Annotated[str | None, Field(pattern="^[a-z]{2}$")] = None
    part_of_day: PartOfDay | None = None
    mode: Mode | None = None
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


@router.get(
    "/slots",
    response_model=SlotPage,
    responses=problems(
        NotSignedIn, Invalid, ServiceUnknown, ModeNotOffered, ReferralRequired, StoreUnavailable
    ),
)
async def free_slots(
    preferences: Annotated[Preferences, Query()],
    caller: CurrentCaller,
    views: CurrentViews,
    seen: CurrentSeen,
    now: CurrentTime,
) -> Response:
    """List free slots by time, doctor and address."""
    since, until = _window(preferences, now)
    headers = await seen("free_slots", caller.positions)
    query, arguments = _query(preferences, now, caller.patient_id, since, until)
    rows = await views.fetch(query, *arguments)
    if not rows or rows[0]["referral_required"]:
        await _refuse(preferences, views)
    page = rows[: preferences.limit]
    following = encode_cursor(_key(page[-1])) if len(rows) > len(page) else None
    # Encoded once, without a model in between: this is the portal's most frequent answer.
    items = [_item(row, str(preferences.service_id)) for row in page]
    content = orjson.dumps({"items": items, "next": following}, option=orjson.OPT_UTC_Z)
    return Response(content, media_type="application/json", headers=headers)


async def _refuse(preferences: Preferences, views: Any) -> None:
    """Say what is wrong with the service asked for; return where there is just nothing free."""
    service = await views.fetchrow(_SERVICE, preferences.service_id)
    if service is None:
        raise ServiceUnknown
    if preferences.mode is not None and preferences.mode not in service["modes"]:
        raise ModeNotOffered
    if service["referral_required"]:
        raise ReferralRequired


def _query(
    preferences: Preferences, now: datetime, patient_id: UUID | None, since: datetime, until: datetime
) -> tuple[str, list[Any]]:
    """Return the query for the preferences that are there, and its arguments."""
    arguments: list[Any] = [now, patient_id]
    conditions: list[str] = []

    def add(condition: str, *values: object) -> None:
        """Append a condition whose `{}` become the values' places; all of its text is this file's."""
        first = len(arguments) + 1
        conditions.append(condition.format(*(f"${first + n}" for n in range(len(values)))))
        arguments.extend(values)

    key = (since, "", _NOBODY, "", _NOBODY)
    if preferences.cursor is not None:
        key = max(key, decode_cursor(preferences.cursor, (_instant, str, UUID, str, UUID)))
    add(f"and ({_KEY}) > ({{}}, {{}}, {{}}, {{}}, {{}})", *key)
    add("and o.starts_at < {}", until)
    add("and o.service_id = {}", preferences.service_id)
    if preferences.city is not None:
        add("and o.city = {}", preferences.city)
    if preferences.facility_id is not None:
        add("and o.facility_id = {0} and o.city = " + _CITY, preferences.facility_id)
    if preferences.doctor_id is not None:
        add("and o.doctor_id = {}", preferences.doctor_id)
    if preferences.part_of_day is not None:
        add("and o.part_of_day = {}", preferences.part_of_day)
    if preferences.mode is not None:
        add("and o.mode = {}", preferences.mode)
    if preferences.language is not None:
        add(_LANGUAGE, preferences.language, preferences.service_id)
    # The number itself: as an argument, it would be planned for as any number, and all be read and sorted.
    walk = f"{_WALK}{' '.join(conditions)} order by {_KEY} limit {preferences.limit + 1}"
    return _PAGE.format(walk), arguments


def _window(preferences: Preferences, now: datetime) -> tuple[datetime, datetime]:
    """Return the instants between which slots may start: the first included, the second not."""
    first = preferences.from_ or now.astimezone(_WARSAW).date()
    last = preferences.to or first + timedelta(days=_DEFAULT_DAYS)
    if last < first:
        raise Invalid([FieldError("", "date-order", "The last day is before the first one", "to")])
    if (last - first).days > _MOST_DAYS:
        detail = f"At most {_MOST_DAYS} days can be searched at a time"
        raise Invalid([FieldError("", "date-range", detail, "to")])
    # What starts at this very moment has begun.
    since = max(_midnight(first), now + timedelta(microseconds=1))
    return since, _midnight(last + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, _WARSAW).astimezone(UTC)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None or not _EARLIEST <= instant.date() <= _LATEST:
        raise ValueError("no instant of this list")
    return instant


def _key(row: Any) -> tuple[object, ...]:
    return (
        row["starts_at"].isoformat(),
        row["doctor_name"],
        row["doctor_id"],
        row["street"],
        row["slot_id"],
    )


def _item(row: Any, service_id: str) -> dict[str, Any]:
    return {
        "slotId": row["slot_id"],
        "startsAt": row["starts_at"],
        "zone": row["zone"],
        "minutes": row["minutes"],
        "mode": row["mode"],
        "service": {
            "id": service_id,
            "name": row["service_name"],
            "nameEn": row["service_name_en"],
        },
        "doctor": {"id": row["doctor_id"], "name": row["doctor_name"]},
        "facility": {
            "id": row["facility_id"],
            "name": row["facility_name"],
            "street": row["street"],
            "postalCode": row["postal_code"],
            "city": row["city"],
        },
    }
