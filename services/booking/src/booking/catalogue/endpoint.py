"""What does the network offer, where and by whom?

Public and slow to change: every answer has an ETag, and whoever holds it already gets 304 (RFC 9110, 13.1.2).
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from booking.cursor import decode_cursor, encode_cursor
from booking.ports import CurrentViews
from portal_chassis.problems import Invalid, problems

router = APIRouter(prefix="/catalogue")

_SERVICES = """
select service_id, name, name_en, price from catalogue_service
where $1::text is null or (name, service_id) > ($1, $2)
order by name, service_id limit $3
"""
_FACILITIES = """
select facility_id, name, street, city, zone from catalogue_facility
where $1::text is null or (name, facility_id) > ($1, $2)
order by name, facility_id limit $3
"""
_DOCTORS = """
select doctor_id, name, pwz, languages from catalogue_doctor
where $1::text is null or (name, doctor_id) > ($1, $2)
order by name, doctor_id limit $3
"""

Cursor = Annotated[str | None, Query()]
Limit = Annotated[int, Query(ge=1, le=100)]
IfNoneMatch = Annotated[str | None, Header()]


class Camel(BaseModel):
    """JSON with camelCase names."""

    model_config = ConfigDict(alias_generator=to_camel)


class ServiceItem(Camel):
    """A service; `price` is in grosze."""

    service_id: UUID
    name: str
    name_en: str
    price: int


class FacilityItem(Camel):
    """A facility; `zone` is its wall clock."""

    facility_id: UUID
    name: str
    street: str
    city: str
    zone: str


class DoctorItem(Camel):
    """A doctor; `pwz` is the licence number, `languages` are ISO 639-1 codes."""

    doctor_id: UUID
    name: str
    pwz: str
    languages: list[str]


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


@router.get("/services", response_model=ServicePage, responses=problems(Invalid))
async def list_services(
    views: CurrentViews, cursor: Cursor = None, limit: Limit = 100, if_none_match: IfNoneMatch = None
) -> Response:
    """List the services by name."""
    return _page(await _rows(views, _SERVICES, cursor, limit), limit, if_none_match)


@router.get("/facilities", response_model=FacilityPage, responses=problems(Invalid))
async def list_facilities(
    views: CurrentViews, cursor: Cursor = None, limit: Limit = 100, if_none_match: IfNoneMatch = None
) -> Response:
    """List the facilities by name."""
    return _page(await _rows(views, _FACILITIES, cursor, limit), limit, if_none_match)


@router.get("/doctors", response_model=DoctorPage, responses=problems(Invalid))
async def list_doctors(
    views: CurrentViews, cursor: Cursor = None, limit: Limit = 100, if_none_match: IfNoneMatch = None
) -> Response:
    """List the doctors by name."""
    return _page(await _rows(views, _DOCTORS, cursor, limit), limit, if_none_match)


async def _rows(views: Any, statement: str, cursor: str | None, limit: int) -> list[Mapping[str, Any]]:
    after = (None, None) if cursor is None else decode_cursor(cursor, (str, UUID))
    return [dict(row) for row in await views.fetch(statement, *after, limit + 1)]


def _page(rows: list[Mapping[str, Any]], limit: int, if_none_match: str | None) -> Response:
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
