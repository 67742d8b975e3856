"""What does the network offer, where and by whom?

Public and slow to change: every answer has an ETag, and whoever holds it already gets 304 (RFC 9110, 13.1.2).
"""

import hashlib
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field
from pydantic.alias_generators import to_camel

from booking.camel import Asked, Camel
from booking.cursor import decode_cursor, encode_cursor
from booking.ports import CurrentViews
from portal_chassis.problems import Invalid, problems
from portal_events.booking import Mode, ServiceKind
from portal_events.identity import Level
from portal_eventstore.decision import StoreUnavailable

router = APIRouter(prefix="/catalogue")

_SERVICES = """
select service_id, name, name_en, kind, modes, levels, referral_required, price, covered,
    preparation, preparation_en
from catalogue_service
where ($1::text is null or (name, service_id) > ($1, $2))
and ($4::text is null or kind = $4)
order by name, service_id limit $3
"""
_FACILITIES = """
select facility_id, name, street, postal_code, city, zone, phone, partner
from catalogue_facility f
where ($1::text is null or (name, facility_id) > ($1, $2))
and ($4::text is null or city = $4)
and ($5::uuid is null or exists (
    select from catalogue_practice p where p.service_id = $5 and p.facility_id = f.facility_id
))
order by name, facility_id limit $3
"""
_DOCTORS = """
select doctor_id, name, pwz, languages, (
    select coalesce(
        json_agg(
            json_build_object('serviceId', s.service_id, 'name', s.name, 'nameEn', s.name_en)
            order by s.name, s.service_id
        ),
        '[]'
    )
    from catalogue_service s
    where s.service_id in (select service_id from catalogue_practice where doctor_id = d.doctor_id)
) as services
from catalogue_doctor d
where ($1::text is null or (name, doctor_id) > ($1, $2))
and ($4::uuid is null and $5::text is null and $6::uuid is null or exists (
    select from catalogue_practice p join catalogue_facility f using (facility_id)
    where p.doctor_id = d.doctor_id and ($4 is null or p.service_id = $4)
    and ($5 is null or f.city = $5) and ($6 is null or p.facility_id = $6)
))
and ($7::text is null or $7 = any (languages))
order by name, doctor_id limit $3
"""

IfNoneMatch = Annotated[str | None, Header()]
City = Annotated[str | None, Field(max_length=100, pattern=r"^[^\x00]+$")]


class Listing(Asked):
    """Which part of a list is asked for."""

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 100


class ServiceFilter(Listing):
    """Which services."""

    kind: ServiceKind | None = None


class FacilityFilter(Listing):
    """Which facilities: those of a city, those where a service is offered."""

    city: City = None
    service_id: UUID | None = None


class DoctorFilter(Listing):
    """Which doctors: by what they offer where, and by a language (ISO 639-1) they speak."""

    service_id: UUID | None = None
    city: City = None
    facility_id: UUID | None = None
    language: Annotated[str | None, Field(pattern="^[a-z]{2}$")] = None


class ServiceItem(Camel):
    """A service; `price` is in grosze, `covered` says that a plan pays it, `levels` may book it.

    `preparation`: what to do before the visit, empty for nothing.
    """

    service_id: UUID
    name: str
    name_en: str
    kind: ServiceKind
    modes: list[Mode]
    levels: list[Level]
    referral_required: bool
    price: int
    covered: bool
    preparation: str
    preparation_en: str


class FacilityItem(Camel):
    """A facility; `zone` is its wall clock, `partner` says that another company runs it."""

    facility_id: UUID
    name: str
    street: str
    postal_code: str
    city: str
    zone: str
    phone: str
    partner: bool


class ServiceOfDoctor(Camel):
    """A service that a doctor has offered."""

    service_id: UUID
    name: str
    name_en: str


class DoctorItem(Camel):
    """A doctor; `pwz` is the licence number, `languages` are ISO 639-1 codes."""

    doctor_id: UUID
    name: str
    pwz: str
    languages: list[str]
    services: list[ServiceOfDoctor]


class ServicePage(BaseModel):
    """One page of the services, by name."""

    items: list[ServiceItem]
    next: str | None


class FacilityPage(BaseModel):
    """One page of the facilities, by name."""

    items: list[FacilityItem]
    next: str | None


class DoctorPage(BaseModel):
    """One page of the doctors, by name."""

    items: list[DoctorItem]
    next: str | None


@router.get("/services", response_model=ServicePage, responses=problems(Invalid, StoreUnavailable))
async def list_services(
    views: CurrentViews, wanted: Annotated[ServiceFilter, Query()], if_none_match: IfNoneMatch = None
) -> Response:
    """List the services by name, those that the caller's level may not book among them."""
    rows = await _rows(views, _SERVICES, wanted, wanted.kind)
    return _page(rows, wanted.limit, if_none_match)


@router.get("/facilities", response_model=FacilityPage, responses=problems(Invalid, StoreUnavailable))
async def list_facilities(
    views: CurrentViews, wanted: Annotated[FacilityFilter, Query()], if_none_match: IfNoneMatch = None
) -> Response:
    """List the facilities by name."""
    rows = await _rows(views, _FACILITIES, wanted, wanted.city, wanted.service_id)
    return _page(rows, wanted.limit, if_none_match)


@router.get("/doctors", response_model=DoctorPage, responses=problems(Invalid, StoreUnavailable))
async def list_doctors(
    views: CurrentViews, wanted: Annotated[DoctorFilter, Query()], if_none_match: IfNoneMatch = None
) -> Response:
    """List the doctors by name."""
    filters = (wanted.service_id, wanted.city, wanted.facility_id, wanted.language)
    rows = await _rows(views, _DOCTORS, wanted, *filters)
    for row in rows:
        row["services"] = orjson.Fragment(row["services"])
    return _page(rows, wanted.limit, if_none_match)


async def _rows(views: Any, statement: str, listing: Listing, *filters: object) -> list[dict[str, Any]]:
    after = (None, None) if listing.cursor is None else decode_cursor(listing.cursor, (str, UUID))
    rows = await views.fetch(statement, *after, listing.limit + 1, *filters)
    return [dict(row) for row in rows]


def _page(rows: list[dict[str, Any]], limit: int, if_none_match: str | None) -> Response:
    """Write a page; a row's first column is its id, its second the name."""
    page = rows[:limit]
    following = encode_cursor(tuple(page[-1].values())[1::-1]) if len(rows) > limit else None
    items = [{to_camel(name): value for name, value in row.items()} for row in page]
    content = orjson.dumps({"items": items, "next": following}, default=str)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if _matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def _matches(if_none_match: str | None, etag: str) -> bool:
    candidates = [candidate.strip().removeprefix("W/") for candidate in (if_none_match or "").split(",")]
    return etag in candidates or candidates == ["*"]
