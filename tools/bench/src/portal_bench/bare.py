"""How fast is the barest endpoint that could do the same? FastAPI and asyncpg, and nothing else.

`python -m portal_bench.bare PORT` serves on the floor's database, with the server settings of our services.
No session, no rule, no event, no second process: one statement and FastAPI's own serialisation.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import uvicorn
import uvloop
from fastapi import FastAPI, Request
from pydantic import BaseModel

from portal_chassis.service import server_config

PEOPLE: Final = 50_000
ITEMS_EACH: Final = 20
SLOTS: Final = 1_000_000
SERVICES: Final = 400

_TABLES: Final = """
create table if not exists booking (
    id uuid primary key, slot_id uuid not null, patient_id uuid not null, made_at timestamptz not null
);
create table if not exists item (
    patient_id uuid, starts_at timestamptz, id uuid, kind text not null, minutes integer not null,
    zone text not null, service text not null, doctor text not null, facility text not null,
    street text not null, city text not null, appointment_id uuid not null,
    primary key (patient_id, starts_at, id)
);
create table if not exists slot (
    service_id uuid, starts_at timestamptz, id uuid, zone text not null, minutes integer not null,
    mode text not null, service text not null, doctor_id uuid not null, doctor text not null,
    facility_id uuid not null, facility text not null, street text not null, city text not null,
    primary key (service_id, starts_at, id)
);
"""
_FILL: Final = """
insert into item
select number(p), '2026-01-01'::timestamptz + make_interval(days => i), number(p * 100 + i), 'appointment',
    15, 'Europe/Warsaw', 'Internista', 'lek. med. Anna Nowak', 'Zdrovia Ochota', 'ul. 1 Sierpnia 8',
    'Warszawa', number(p * 100 + i)
from generate_series(0, {people} - 1) as p, generate_series(1, {each}) as i
on conflict do nothing;
insert into slot
select number(n % {services}), '2026-01-01'::timestamptz + make_interval(mins => 15 * (n / {services})),
    number(n), 'Europe/Warsaw', 15, 'in-person', 'Internista', number(n), 'lek. med. Anna Nowak', number(n),
    'Zdrovia Ochota', 'ul. 1 Sierpnia 8', 'Warszawa'
from generate_series(0, {slots} - 1) as n
on conflict do nothing;
"""
_NUMBER: Final = """
create or replace function number(n bigint) returns uuid immutable language sql
    as $$ select lpad(to_hex(n), 32, '0')::uuid $$;
"""


class Body(BaseModel):
    """What to book."""

    slotId: UUID  # noqa: N815  the name on the wire, without an alias to resolve


class Booked(BaseModel):
    """What was booked."""

    id: UUID
    slot_id: UUID
    made_at: datetime


class Item(BaseModel):
    """One line of a timeline."""

    id: UUID
    starts_at: datetime
    kind: str
    minutes: int
    zone: str
    service: str
    doctor: str
    facility: str
    street: str
    city: str
    appointment_id: UUID


class Items(BaseModel):
    """A page."""

    items: list[Item]


class Slot(BaseModel):
    """One free slot."""

    id: UUID
    starts_at: datetime
    zone: str
    minutes: int
    mode: str
    service_id: UUID
    service: str
    doctor_id: UUID
    doctor: str
    facility_id: UUID
    facility: str
    street: str
    city: str


class Slots(BaseModel):
    """A page."""

    items: list[Slot]


@asynccontextmanager
async def _connected(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=_connected)


@app.post("/bookings", status_code=201)
async def book(request: Request, body: Body) -> Booked:
    """Insert one row."""
    row = await request.app.state.pool.fetchrow(
        "insert into booking values ($1, $2, $3, now()) returning id, slot_id, made_at",
        uuid4(),
        body.slotId,
        uuid4(),
    )
    return Booked(**row)


@app.get("/items/{patient_id}", response_model=Items)
async def items(request: Request, patient_id: UUID) -> Any:
    """Select 20 rows by their index."""
    rows = await request.app.state.pool.fetch(
        "select * from item where patient_id = $1 order by starts_at desc, id desc limit 20", patient_id
    )
    return {"items": [dict(row) for row in rows]}


@app.get("/slots/{service_id}", response_model=Slots)
async def slots(request: Request, service_id: UUID) -> Any:
    """Select 50 rows by their index."""
    rows = await request.app.state.pool.fetch(
        "select * from slot where service_id = $1 order by starts_at limit 50", service_id
    )
    return {"items": [dict(row) for row in rows]}


async def make_tables(database_url: str, *, rows: int) -> None:
    """Create the floor's tables and fill each with `rows` rows, but at most a million."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(_TABLES + _NUMBER)
    fill = _FILL.format(
        people=min(PEOPLE, max(1, rows // ITEMS_EACH)),
        each=ITEMS_EACH,
        services=min(SERVICES, max(1, rows // 100)),
        slots=min(SLOTS, rows),
    )
    await connection.execute(fill, timeout=600)
    await connection.execute("vacuum analyze", timeout=600)
    await connection.close()


if __name__ == "__main__":
    config = server_config(app, "127.0.0.1", int(sys.argv[1]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())
