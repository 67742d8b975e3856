"""Which bugs must the tests of hazards catch?"""

from portal_events import base
from portal_eventstore import batch, consume, execute, kafka, postgres, view
from portal_eventstore.guard import guard
from portal_eventstore.relay import producing, publish
from portal_eventstore.relay.unacknowledged import Unacknowledged
from portal_eventstore.testing.planting import Bug, put, reword, rewrite, together

_TESTS = "shared/eventstore/tests/"
_CLOCK = _TESTS + "test_hazards_clock.py::test_given_"
_KAFKA = _TESTS + "test_hazards_kafka.py::test_given_"
_MEMORY = _TESTS + "test_hazards_memory.py::test_given_"
_POSTGRES = _TESTS + "test_hazards_postgres.py::test_given_"
_RELAY = _TESTS + "test_hazards_relay.py::test_given_"
_VERSIONS = _TESTS + "test_hazards_versions.py::test_given_"


MUTANTS: dict[str, Bug] = {
    "a batch is bounded in records only": Bug(
        rewrite(kafka, "max_records=_STEP_RECORDS", "max_records=5_000"),
        _MEMORY + "a_slow_view_when_much_waits_then_its_memory_is_bounded[large]",
    ),
    "timers keep the batches that they were set in": Bug(
        rewrite(kafka, "context=Context()", "context=None"),
        _MEMORY + "a_slow_view_when_much_waits_then_its_memory_is_bounded[large]",
    ),
    "what waits for Kafka is bounded in events only": Bug(
        rewrite(publish, "self._waiting.bytes >= _WAITING_BYTES", "False"),
        _MEMORY + "kafka_is_silent_when_large_events_wait_then_the_relay_reads_no_more_than_it_may_hold",
    ),
    "an event may be larger than a record": Bug(
        put(batch, "MAX_EVENT_BYTES", 10**9),
        _TESTS + "test_execute.py::test_given_bad_command_in_batch_when_executed_then_it_fails_alone[memory]",
    ),
    "a client may stop for ever under the lock": Bug(
        rewrite(
            postgres.PostgresStore,
            '"idle_in_transaction_session_timeout": "2s",',
            "",
        ),
        _TESTS
        + "test_races.py::test_given_client_that_stops_under_the_lock_when_others_append_then_they_go_on",
    ),
    "a producer goes on after a fatal error": Bug(
        rewrite(
            producing.Producing,
            "self._connect_soon(self._pause)",
            "self._blocked.discard(partition)",
        ),
        _TESTS + "test_publish.py::"
        "test_given_the_broker_refuses_a_batch_when_it_allows_it_again_then_the_order_is_kept",
    ),
    "the relay waits for gaps to be filled": Bug(
        reword(
            publish,
            "TAIL",
            "e.position > $1",
            "e.position > $1 and e.position - $1 ="
            " (select count(*) from event f where f.position > $1 and f.position <= e.position)",
        ),
        _RELAY + "a_process_killed_before_its_commit_then_nothing_of_it_is_published_and_nothing_stalls",
    ),
    "whoever takes the log over begins at its end": Bug(
        rewrite(
            publish,
            "returning published",
            "returning (select coalesce(max(position), 0) from event)",
        ),
        _RELAY + "a_process_killed_between_commit_and_publish_then_another_publishes_it",
    ),
    "the relay reads below the oldest transaction only": Bug(
        reword(
            publish,
            "TAIL",
            "e.position > $1",
            "e.position > $1 and"
            " e.xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
        ),
        _RELAY + "idle_transactions_and_a_long_snapshot_then_the_relay_goes_on",
    ),
    "acknowledged before it is on the disk": Bug(
        rewrite(postgres.PostgresStore, '"jit": "off",', '"jit": "off", "synchronous_commit": "off",'),
        _POSTGRES + "writers_when_postgres_is_killed_then_they_go_on_and_all_acknowledged_is_there_once",
    ),
    "no room is a fault": Bug(
        rewrite(postgres, "    asyncpg.InsufficientResourcesError,\n", ""),
        _POSTGRES + "the_server_cannot_at_the_moment_then_writes_are_unavailable_until_it_can[disk_full]",
    ),
    "a silent broker is not told": Bug(
        rewrite(producing, "now - since > _SLOW_SECONDS", "False"),
        _KAFKA + "kafka_is_killed_then_appends_go_on_the_backlog_shows_and_drains",
    ),
    "a refusal to read is not told": Bug(
        rewrite(kafka, "isinstance(error, OffsetOutOfRangeError)", "True"),
        _KAFKA + "reading_is_forbidden_then_the_view_says_so_skips_nothing_and_goes_on_when_allowed",
    ),
    "published over a refusal to write": Bug(
        put(Unacknowledged, "published", lambda self: self.read),
        _KAFKA + "writing_is_forbidden_then_the_relay_is_blocked_and_drains_when_allowed",
    ),
    "the end of what Kafka holds is not looked at": Bug(
        rewrite(
            consume.ViewConsumption.check, "begin <= place.next_offset <= end", "begin <= place.next_offset"
        ),
        _KAFKA + "a_topic_that_was_made_anew_and_is_shorter_then_the_view_stops",
    ),
    "Kafka's committed offsets decide": Bug(
        rewrite(
            kafka,
            "        consumer = self.consumer()\n        partitions",
            "        await self._consumption.begin([tuple(partition) for partition in assigned])\n"
            "        return\n"
            "        partitions",
        ),
        _KAFKA + "somebody_moved_the_committed_offsets_then_nothing_changes",
    ),
    "a view goes on from the oldest record that Kafka still has": Bug(
        together(
            rewrite(kafka.Consumers, 'auto_offset_reset="none"', 'auto_offset_reset="earliest"'),
            put(consume.ViewConsumption, "check", lambda self, places, ranges: None),  # noqa: ARG005
        ),
        _TESTS + "test_project.py::test_given_kafka_no_longer_holds_the_next_record_then_the_view_stops",
    ),
    "an unknown field is a fault": Bug(
        rewrite(base, "model_validate_json(data)", 'model_validate_json(data, extra="forbid")'),
        _VERSIONS + "an_old_and_a_new_release_at_once_then_each_applies_what_the_other_wrote",
    ),
    "an unknown type is a fault": Bug(
        rewrite(view.view_of, "if known is None:", "if stored.owner is None:"),
        _VERSIONS + "a_newer_producer_then_unknown_fields_and_types_are_passed_over",
    ),
    "the relay reads by time": Bug(
        reword(publish, "TAIL", "order by 1", "order by e.time, 1"),
        _CLOCK + "a_clock_that_jumps_then_relay_and_view_keep_the_order_of_positions",
    ),
    "a decision reads by time": Bug(
        rewrite(
            postgres,
            'e.version, e.data" + _MATCH',
            'e.version, e.data" + _MATCH.replace("query, e.position", "query, e.time")',
        ),
        _CLOCK + "a_clock_that_jumps_when_decided_then_positions_tell_the_order[postgres]",
    ),
    "a key of the future is unknown": Bug(
        rewrite(
            execute.Decider,
            "if command.context.time - e.time <",
            "if timedelta() <= command.context.time - e.time <",
        ),
        _CLOCK + "a_request_when_it_comes_again_after_a_jump_then_its_key_holds_for_a_day_and_no_less"
        "[memory-back]",
    ),
    "a store that falls short of its topic is admitted": Bug(
        rewrite(guard.difference, "if positions or taken < top:", "if len(positions) > top:"),
        _TESTS + "test_store_guard.py::"
        "test_given_a_topic_ahead_when_started_then_writes_are_refused_by_name_and_reads_go_on",
    ),
}
