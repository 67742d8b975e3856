"""Which bugs must the relay's and the projections' tests catch?

Each function plants one by patching one seam; the test beside it must then fail.
"""

from collections.abc import Callable
from typing import Any

from portal_eventstore import consume
from portal_eventstore.relay import producing, publish
from portal_eventstore.relay.unacknowledged import Unacknowledged

_PUBLISH = "shared/eventstore/tests/test_publish.py::test_given_"
_PROJECT = "shared/eventstore/tests/test_project.py::test_given_"


def overtaken_publish() -> None:
    """The batch behind a failed one is sent, the failed one later."""

    def let_pass(self: Any, producer: Any, partition: int, error: Exception) -> None:
        del producer, error
        self._waiting._lanes[partition].rotate(-1)

    producing.Producing._failed = let_pass  # type: ignore[method-assign]


def published_over_a_failure() -> None:
    """`published` moves to what was read, not to what was acknowledged."""
    Unacknowledged.published = lambda self: self.read  # type: ignore[method-assign]


def unfenced_owner() -> None:
    """Whoever believes to own the log moves `published`, whatever the epoch is."""
    publish._ADVANCE = (
        "update relay set published = $1 where $2::bigint > 0 and published < $1 returning true"
    )


def dropped_position_check() -> None:
    """A record is new when its offset is: a relay's duplicates are applied again."""
    consume.already_applied = lambda position, last_position: False  # noqa: ARG005


def dropped_offset_check() -> None:
    """A hole in the offsets is taken for Kafka's own."""
    consume.ViewConsumption._refuse_gaps = lambda self, batches, places: None  # type: ignore[method-assign]  # noqa: ARG005


def position_outside_the_transaction() -> None:
    """The positions are moved on a connection of their own, before the rows."""

    async def write(self: Any, batch: Any, places: Any, *, one_fails: bool) -> None:
        del one_fails
        async with self._pool.acquire() as connection:
            await self._move(connection, places, batch.moved)
            if batch.values:
                await self._view.apply(connection, batch.values)

    consume.ViewConsumption._write = write  # type: ignore[method-assign]


def unguarded_move() -> None:
    """Positions are moved wherever they are: a worker that should be dead applies its batch again."""
    guard = "and p.next_offset = s.old_offset and p.last_position = s.old_position"
    consume._MOVE = consume._MOVE.replace(guard, "")


MUTANTS: dict[str, tuple[Callable[[], None], str]] = {
    "overtaken publish": (
        overtaken_publish,
        _PUBLISH + "a_publish_failed_then_nothing_of_its_partition_overtakes_it",
    ),
    "published over a failure": (
        published_over_a_failure,
        _PUBLISH + "a_publish_failed_then_nothing_of_its_partition_overtakes_it",
    ),
    "unfenced owner": (
        unfenced_owner,
        _PUBLISH + "a_paused_owner_when_it_wakes_then_it_cannot_move_published",
    ),
    "dropped position check": (
        dropped_position_check,
        _PROJECT + "the_offsets_were_rewound_and_batches_published_twice_then_each_event_has_one_effect",
    ),
    "dropped offset check": (
        dropped_offset_check,
        _PROJECT + "a_client_lost_a_batch_then_the_view_reads_it_again",
    ),
    "position outside the transaction": (
        position_outside_the_transaction,
        _PROJECT + "crashes_before_the_rows_and_between_rows_and_commit_then_nothing_is_lost_or_doubled",
    ),
    "unguarded move": (
        unguarded_move,
        _PROJECT + "two_workers_hold_the_same_records_then_the_later_one_changes_nothing",
    ),
}
