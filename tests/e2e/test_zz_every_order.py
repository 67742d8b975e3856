"""Are a running portal's views what its whole topics make of them, in whatever order these are read?"""

from __future__ import annotations

import random
from contextlib import aclosing
from typing import Any, Final

import asyncpg
import pytest
from tests.services import VIEWS

from portal_eventstore.history import fences, read
from portal_eventstore.kafka import Incoming, Partition
from portal_eventstore.rebuild.digest import SETTINGS
from portal_eventstore.testing.orders import applied, digests, filled, interleaved
from portal_eventstore.view import View
from portal_faults.running import RunningPortal, eventually

pytestmark = pytest.mark.connected

_ORDERS: Final = 2
_PLACES: Final = """
select topic, partition, next_offset from projection_position where view = $1 and next_offset > 0
"""


@pytest.mark.parametrize(("service", "view"), VIEWS.values(), ids=VIEWS.keys())
async def test_given_all_that_happened_when_read_in_other_orders_and_filled_then_as_the_running_views(
    portal: RunningPortal, store_url: str, service: str, view: View[Any]
) -> None:
    records = await _past(portal.bootstrap_servers, view)
    assert records
    live = await _live(portal, service, view, records)
    assert await filled(store_url, "filled", view, records) == live
    for seed in range(_ORDERS):
        batches = interleaved(records, random.Random(seed))
        assert await applied(store_url, f"order_{seed}", view, batches) == live, f"order {seed}"


async def _past(servers: str, view: View[Any]) -> dict[Partition, list[Incoming]]:
    found: dict[Partition, list[Incoming]] = {}
    for topic in view.topics:
        for place, held in (await fences(servers, topic)).items():
            async with aclosing(read(servers, *place, held.begin, held.end)) as batches:
                if records := [record async for batch in batches for record in batch]:
                    found[place] = records
    return found


async def _live(
    portal: RunningPortal, service: str, view: View[Any], records: dict[Partition, list[Incoming]]
) -> dict[str, str]:
    """Wait until the running view has seen just these records; return the digests of its tables."""
    ends = {place: lane[-1].offset + 1 for place, lane in records.items()}

    async def caught_up() -> bool:
        places = await portal.query(service, _PLACES, view.name)
        return {(topic, partition): offset for topic, partition, offset in places} == ends

    await eventually(caught_up, f"{view.name} has caught up")
    [[tables]] = await portal.query(service, "select tables from projection_view where view = $1", view.name)
    url = portal.database_urls[service]
    async with asyncpg.create_pool(url, min_size=1, max_size=1, server_settings=SETTINGS) as pool:
        return await digests(pool, "public", tables)
