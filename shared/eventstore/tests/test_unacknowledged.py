"""How far may `published` move while some partitions wait?"""

import pytest

from portal_eventstore.kafka import Outgoing
from portal_eventstore.relay.unacknowledged import Unacknowledged, Waiting


def _event(position: int) -> Waiting:
    return Waiting(position, Outgoing(b"key", b"%d" % position))


def test_given_nothing_waits_then_everything_read_is_published() -> None:
    assert Unacknowledged(7).published() == 7


def test_given_one_partition_waits_then_published_stays_below_its_first_event() -> None:
    waiting = Unacknowledged(0)
    for position in (1, 2, 3, 5):
        waiting.add(position % 2, _event(position))

    waiting.acknowledge(1, 3)

    assert waiting.published() == 1
    assert len(waiting) == 1
    waiting.acknowledge(0, 1)
    assert waiting.published() == 5


def test_given_events_wait_then_their_bytes_are_counted_until_they_are_acknowledged() -> None:
    waiting = Unacknowledged(0)
    for position in (8, 9, 10):
        waiting.add(position % 2, _event(position))

    assert waiting.bytes == len(b"8") + len(b"9") + len(b"10")
    waiting.acknowledge(0, 2)
    assert waiting.bytes == len(b"9")


def test_given_a_batch_was_not_acknowledged_then_the_same_records_come_first_again() -> None:
    waiting = Unacknowledged(0)
    for position in (1, 2, 3):
        waiting.add(0, _event(position))

    assert [r.value for r in waiting.first(0, 2)] == [b"1", b"2"]
    assert [r.value for r in waiting.first(0, 2)] == [b"1", b"2"]


def test_given_the_store_was_read_out_of_order_then_it_is_refused() -> None:
    waiting = Unacknowledged(4)

    with pytest.raises(ValueError, match="position 4 after 4"):
        waiting.add(0, _event(4))
