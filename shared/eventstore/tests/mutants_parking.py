"""Which bugs must the tests of parking catch?"""

from portal_eventstore import consume, view
from portal_eventstore.parking import blame, parked, sift, suspects
from portal_eventstore.parking import copies as parked_copies
from portal_eventstore.testing.planting import Bug, rewrite

_PARKING = "shared/eventstore/tests/test_parking.py::test_given_"
_PARKED = "shared/eventstore/tests/test_parked.py::test_given_"
_DEATHS = "shared/eventstore/tests/test_parking_deaths.py::test_given_"
_KAFKA = "shared/eventstore/tests/test_parking_on_kafka.py::test_given_"
_KINDS = _PARKING + "each_kind_of_poison_then_it_is_parked_with_its_reason_and_other_keys_go_on"


MUTANTS: dict[str, Bug] = {
    "parking: later events of the key overtake": Bug(
        rewrite(sift, "if entry.lane is not None:", "if entry.lane is None:"),
        _KINDS,
    ),
    "parking: the error's text is told": Bug(
        rewrite(sift.reason, "kind(cause(error))", "str(cause(error))"),
        _KINDS,
    ),
    "parking: a newer version is read as far as it is known": Bug(
        rewrite(view, "stored.version > known", "False"),
        _KINDS,
    ),
    "parking: the counter stays": Bug(
        rewrite(sift, "p.parked + w.count", "p.parked"),
        _PARKING + "a_key_waits_when_another_worker_reads_on_then_its_later_events_wait_too",
    ),
    "parking: held keys are not looked up": Bug(
        rewrite(consume.ViewConsumption, "if some_wait or one_fails", "if one_fails"),
        _PARKING + "a_key_waits_when_another_worker_reads_on_then_its_later_events_wait_too",
    ),
    "parking: the second half first": Bug(
        rewrite(
            sift,
            "await self.apply(able[:half])\n            await self.apply(able[half:])",
            "await self.apply(able[half:])\n            await self.apply(able[:half])",
        ),
        _PARKING + "random_poison_and_batches_then_every_event_is_applied_or_waits_in_order",
    ),
    "parking: what failed is left in the rows": Bug(
        rewrite(sift, "async with self._connection.transaction():", "if True:"),
        _PARKING + "a_handler_that_writes_before_it_refuses_then_nothing_of_that_stays",
    ),
    "parking: twice published, twice parked": Bug(
        rewrite(sift, "event_id = any", "event_id <> all"),
        _PARKING + "parked_events_are_published_twice_then_each_is_parked_once",
    ),
    "parking: a damaged record's position is believed": Bug(
        rewrite(consume.fresh, "known.position if known.sound else None", "known.position"),
        _PARKING + "a_lie_about_its_position_then_a_damaged_record_hides_nothing_that_follows",
    ),
    "parking: no breaker": Bug(
        rewrite(sift.sift, "len(failing) >= BREAKER_KEYS", "False"),
        _PARKING + "not_one_event_of_many_keys_can_be_applied_then_the_view_stops_and_nothing_is_parked",
    ),
    "parking: the breaker forgets the batch before": Bug(
        rewrite(sift.sift, "failing |= {", "failing = {"),
        _PARKING + "nothing_can_be_applied_in_small_batches_then_the_view_stops_all_the_same",
    ),
    "parking: shared rows are parked": Bug(
        rewrite(view.view_of, "parks=not projection.shared_rows", "parks=True"),
        _PARKING + "several_keys_touch_a_row_then_the_view_stops_and_nothing_is_parked",
    ),
    "parking: whatever is read is parked": Bug(
        rewrite(consume.fresh, "if not parks:", "if False:"),
        _PARKING + "a_key_record_cannot_be_read_then_its_view_stops_and_no_copy_is_kept",
    ),
    "parking: a full disk is the event's fault": Bug(
        rewrite(blame.blame, "code[:2] in _MOMENTARY_CLASSES", "False"),
        _PARKING + "a_fault_of_the_moment_then_the_batch_is_tried_again_and_nothing_is_parked[DiskFullError]",
    ),
    "parking: a reset connection is the event's fault": Bug(
        rewrite(blame.blame, "case ConnectionError() | TimeoutError()", "case TimeoutError()"),
        _PARKING
        + "a_fault_of_the_moment_then_the_batch_is_tried_again_and_nothing_is_parked[ConnectionResetError]",
    ),
    "parking: a missing column is the event's fault": Bug(
        rewrite(blame.blame, "return Blame.CODE", "return Blame.EVENT"),
        _PARKING + "the_tables_are_not_the_views_then_it_stops_and_nothing_is_parked",
    ),
    "parking: a place made anew forgets what waits": Bug(
        rewrite(consume, "p.status = 'waiting'", "p.status = 'forgotten'"),
        _PARKING + "a_views_place_was_taken_away_then_what_waits_goes_on_waiting",
    ),
    "deaths: deliveries are not counted": Bug(
        rewrite(suspects.Suspects.is_deadly, "if offset != record.offset:", "if offset > record.offset:"),
        _DEATHS + "an_event_that_kills_its_worker_then_it_is_parked_unhandled_and_nothing_else[handle]",
    ),
    "deaths: what kills when read is read to be parked": Bug(
        rewrite(suspects.deadly, "raise WorkerDiedError(_DELIVERIES)", "return Parsed(None, None)"),
        _DEATHS + "an_event_that_kills_its_worker_then_it_is_parked_unhandled_and_nothing_else[read]",
    ),
    "deaths: every beginning counts for ever": Bug(
        rewrite(consume, ", begun = 0, deliveries = 0", ""),
        _DEATHS + "workers_begin_and_move_on_then_nothing_is_suspected",
    ),
    "deaths: every attempt counts": Bug(
        rewrite(suspects.Suspects.is_deadly, "if offset != record.offset:", "if True:"),
        _DEATHS + "a_suspected_place_and_faults_of_the_moment_then_its_record_is_counted_once",
    ),
    "deaths: a suspected place goes on in batches": Bug(
        rewrite(suspects.Suspects.among, "if tp in self._partitions", "if False"),
        _DEATHS + "a_suspected_place_then_its_records_are_handled_alone_and_counted_before",
    ),
    "replay: nothing is locked": Bug(
        rewrite(parked, "for update", ""),
        _PARKED + "a_replay_is_in_the_middle_then_the_keys_next_event_does_not_overtake_it",
    ),
    "replay: out of order": Bug(
        rewrite(parked, "order by p.record_offset", "order by p.record_offset desc"),
        _PARKED + "the_code_was_mended_when_replayed_then_each_is_applied_once_and_in_order",
    ),
    "replay: the positions decide": Bug(
        rewrite(parked, "set parked", "set last_position = 0, parked"),
        _PARKED + "the_code_was_mended_when_replayed_then_each_is_applied_once_and_in_order",
    ),
    "replay: settled outside the transaction": Bug(
        rewrite(
            parked.drain,
            "await connection.execute(_REPLAYED, done)",
            "await pool.execute(_REPLAYED, done)",
        ),
        _PARKED + "the_database_fails_after_the_replay_then_it_can_be_replayed_again",
    ),
    "replay: over what fails again": Bug(
        rewrite(parked, "return count, refused", "continue"),
        _PARKED + "a_later_one_fails_again_when_replayed_then_the_key_is_drained_up_to_it",
    ),
    "replay: twice": Bug(
        rewrite(parked, "p.status = 'waiting'", "p.status <> 'discarded'"),
        _PARKED + "two_replays_and_the_worker_at_once_then_each_is_applied_once_and_in_order",
    ),
    "replay: into any tables": Bug(
        rewrite(parked.drain, "if edition != view.edition:", "if False:"),
        _PARKED + "tables_of_another_edition_then_nothing_is_replayed_into_them",
    ),
    "discard: whoever waits behind is let go": Bug(
        rewrite(parked, "where number = $1 and status", "where (number = $1 or behind = $1) and status"),
        _PARKED + "a_record_is_discarded_then_only_that_one_is_left_out_and_the_reason_is_kept",
    ),
    "discard: read again, parked again": Bug(
        rewrite(sift, '"replayed"', '"discarded"'),
        _PARKED + "a_discarded_record_is_read_again_then_it_is_neither_applied_nor_parked",
    ),
    "copies: marked before they are sent": Bug(
        rewrite(
            parked_copies.ParkedCopies,
            "await _publish_all(publisher, copies, number, [self._copy(row) for row in parked])",
            "pass",
        ),
        _KAFKA + "500_poison_events_of_5000_then_other_keys_go_on_and_a_replay_applies_each_once",
    ),
    "parking: what was given up stops the view again": Bug(
        rewrite(
            consume.ViewConsumption,
            "await without_discarded(self._pool, self._view)",
            "self._view.parse",
        ),
        _PARKING + "a_view_stopped_at_what_nobody_can_read_when_it_is_given_up_then_the_view_goes_on",
    ),
}
