"""Does a search read little, whatever is offered, booked, over, or asked for?

Counted in blocks that PostgreSQL touches, not in time: a search that reads all that fits and sorts it, or
walks past what is taken or over, touches thousands of these 54,000 offers' blocks.
"""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from booking.app import READING
from booking.cursor import encode_cursor
from booking.free_slots.endpoint import Preferences, _key, _query, _window

from .house import make_tables

pytestmark = pytest.mark.connected

NOW = datetime(2026, 11, 2, 6, tzinfo=UTC)
PATIENT = UUID(int=1)
FEW = 400
SERVICE, SOLD_OUT, DOCTOR, FACILITY = "10" + "0" * 30, "10" + "0" * 29 + "1", "20" + "0" * 30, "30" + "0" * 30

_NETWORK = """
create function id(kind int, n int) returns uuid immutable language sql
    as $$ select (kind::text || lpad(to_hex(n), 30, '0'))::uuid $$;
insert into catalogue_service
    select id(10, n), 'S', 'S', 'consultation', '{in-person,video}', '{basic,full}', false, 0, true, '', ''
    from generate_series(0, 4) n;
insert into catalogue_facility
    select id(30, n), 'F', 'ul. ' || n, '00-000', 'City ' || n % 3, 'Europe/Warsaw', '+48221234567', false
    from generate_series(0, 9) n;
insert into free_slots_place select facility_id, city, street from catalogue_facility;
insert into catalogue_doctor
    select id(20, n), 'dr ' || n, '5425740', case when n = 0 then '{pl,uk}'::text[] else '{pl}' end
    from generate_series(0, 49) n;
insert into catalogue_practice select id(20, n), id(10, n % 5), id(30, n % 10) from generate_series(0, 49) n;
insert into free_slots_offer
    select gen_random_uuid(), id(20, doctor), 'dr ' || doctor, id(10, doctor % 5), id(30, doctor % 10),
        'City ' || doctor % 10 % 3, 'ul. ' || doctor % 10,
        case when doctor % 7 = 0 then 'video' else 'in-person' end,
        case when n < 6 then 'morning' else 'afternoon' end,
        at, at + interval '30 minutes', 'Europe/Warsaw', doctor % 5 = 1 or day between 0 and 13
    from generate_series(0, 49) doctor, generate_series(-30, 59) day, generate_series(0, 11) n,
        lateral (select $1::timestamptz + make_interval(days => day, mins => 30 * n)) time (at);
insert into free_slots_busy
    select slot_id, doctor_id, slot_id, starts_at, ends_at, 'infinity' from free_slots_offer where taken;
"""


@pytest.fixture(params=[True, False], ids=["analyzed", "not yet analyzed"])
async def connection(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Any]:
    """Give the views of a network in which the next two weeks, and all of one service, are taken."""
    await make_tables(database_url)
    connection = await asyncpg.connect(database_url, server_settings=READING)
    await connection.execute(_NETWORK.replace("$1", f"'{NOW.isoformat()}'"))
    await connection.execute("vacuum")
    # With statistics of all rows, not of a sample, and without any: the plans are the same each time.
    if request.param:
        await connection.execute(
            "set default_statistics_target = 1000; analyze; reset default_statistics_target"
        )
    yield connection
    await connection.close()


SEARCHES: dict[int, list[dict[str, str]]] = {
    21: [
        {},
        {"from": "2026-11-20", "to": "2026-11-20"},
        {"city": "City 0"},
        {"city": "City 0", "partOfDay": "afternoon"},
        {"city": "City 0", "mode": "video"},
        {"city": "City 0", "language": "pl"},
        {"city": "City 0", "language": "uk"},
        {"facilityId": FACILITY},
        {"facilityId": FACILITY, "language": "pl", "partOfDay": "morning", "mode": "in-person"},
        {"doctorId": DOCTOR},
        {"doctorId": DOCTOR, "city": "City 0", "mode": "video"},
    ],
    101: [{"limit": "100"}, {"limit": "100", "city": "City 0"}],
    0: [
        {"from": "2026-11-05", "to": "2026-11-05"},
        {"serviceId": SOLD_OUT},
        {"city": "City 1"},
        {"city": "Atlantis"},
        {"city": "City 0", "partOfDay": "evening"},
        {"city": "City 0", "mode": "telephone"},
        {"city": "City 0", "language": "de"},
        {"language": "de"},
    ],
}


async def test_given_much_when_searched_then_little_is_read_for_every_page(connection: Any) -> None:
    for found, searches in SEARCHES.items():
        for wanted in searches:
            preferences = Preferences.model_validate({"serviceId": SERVICE, **wanted})
            rows = await searched(connection, preferences)
            assert len(rows) == found, wanted
            if rows:
                following = preferences.model_copy(update={"cursor": encode_cursor(_key(rows[-1]))})
                assert await searched(connection, following), wanted


async def searched(connection: Any, preferences: Preferences) -> list[Any]:
    query, arguments = _query(preferences, NOW, PATIENT, *_window(preferences, NOW))
    rows: list[Any] = await connection.fetch(query, *arguments)
    assert await blocks(connection, query, arguments) <= FEW + 5 * len(rows), preferences
    return rows


async def blocks(connection: Any, query: str, arguments: Sequence[Any]) -> int:
    """Return how many blocks the plan that the app would use reads."""
    types = ", ".join(t.name for t in (await connection.prepare(query)).get_parameters())
    given = ", ".join(f"'{argument}'" for argument in arguments)
    await connection.execute(f"prepare search ({types}) as {query}")
    plan = await connection.fetchval(f"explain (analyze, buffers, format json) execute search ({given})")
    await connection.execute("deallocate search")
    [explained] = json.loads(plan)
    read: int = explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"]
    return read
