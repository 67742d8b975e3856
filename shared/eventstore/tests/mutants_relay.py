"""Which bugs must the relay's and the projections' tests catch?"""

from portal_eventstore import consume
from portal_eventstore.relay import producing, publish
from portal_eventstore.relay.unacknowledged import Unacknowledged
from portal_eventstore.testing.planting import Bug, put, rewrite

_PUBLISH = "shared/eventstore/tests/test_publish.py::test_given_"
_PROJECT = "shared/eventstore/tests/test_project.py::test_given_"


MUTANTS: dict[str, Bug] = {
    "overtaken publish": Bug(
        rewrite(
            producing,
            "self._failed(producer, partition, error)",
            "self._waiting._lanes[partition].rotate(-1)",
        ),
        _PUBLISH + "a_publish_failed_then_nothing_of_its_partition_overtakes_it",
    ),
    "published over a failure": Bug(
        put(Unacknowledged, "published", lambda self: self.read),
        _PUBLISH + "a_publish_failed_then_nothing_of_its_partition_overtakes_it",
    ),
    "unfenced owner": Bug(
        rewrite(publish, "where epoch = $2 and", "where $2::bigint > 0 and"),
        _PUBLISH + "a_paused_owner_when_it_wakes_then_it_cannot_move_published",
    ),
    "dropped position check": Bug(
        put(consume, "already_applied", lambda position, last_position: False),  # noqa: ARG005
        _PROJECT + "the_offsets_were_rewound_and_batches_published_twice_then_each_event_has_one_effect",
    ),
    "dropped offset check": Bug(
        rewrite(consume, "if gaps - self._gaps:", "if False:"),
        _PROJECT + "a_client_lost_a_batch_then_the_view_reads_it_again",
    ),
    "position outside the transaction": Bug(
        rewrite(consume, 'async with connection.transaction(isolation="read_committed"):', "if True:"),
        _PROJECT + "crashes_before_the_rows_and_between_rows_and_commit_then_nothing_is_lost_or_doubled",
    ),
    "unguarded move": Bug(
        rewrite(consume, "and p.next_offset = s.old_offset and p.last_position = s.old_position", ""),
        _PROJECT + "two_workers_hold_the_same_records_then_the_later_one_changes_nothing",
    ),
}
