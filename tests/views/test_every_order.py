"""Is every view of every service the same in the end, in whatever order its partitions are read?"""

import random
from typing import Any, Final

import pytest
from tests.services import VIEWS

from portal_eventstore.kafka import Incoming, Partition
from portal_eventstore.rebuild.digest import TableDigest
from portal_eventstore.testing.orders import applied, filled, interleaved
from portal_eventstore.view import View

from .crowd import happened

pytestmark = pytest.mark.connected

_ORDERS: Final = 6
_EMPTY: Final = TableDigest({}).digest


@pytest.fixture(params=list(VIEWS))
def view(request: pytest.FixtureRequest) -> View[Any]:
    """One view of one service."""
    return VIEWS[request.param][1]


def _read_by(view: View[Any], seed: int) -> dict[Partition, list[Incoming]]:
    topics = happened(random.Random(seed))
    return {tp: records for tp, records in topics.items() if tp[0] in view.topics}


async def test_given_partitions_permuted_delayed_and_sent_twice_then_the_view_is_the_same(
    store_url: str, view: View[Any]
) -> None:
    records = _read_by(view, 1)
    expected = await applied(store_url, "in_order", view, [records])
    assert _EMPTY not in expected.values()
    for seed in range(_ORDERS):
        batches = interleaved(records, random.Random(seed))
        assert await applied(store_url, f"order_{seed}", view, batches) == expected, f"order {seed}"


async def test_given_a_random_history_then_filling_from_it_is_the_same_as_applying_it(
    store_url: str, view: View[Any]
) -> None:
    for seed in range(2, 5):
        records = _read_by(view, seed)
        batches = interleaved(records, random.Random(seed))
        live = await applied(store_url, f"applied_{seed}", view, batches)
        assert await filled(store_url, f"filled_{seed}", view, records) == live, f"history {seed}"
