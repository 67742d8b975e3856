"""Which bugs must the tests of vitals and freshness catch?"""

from portal_eventstore import freshness, project
from portal_eventstore.testing.planting import Bug, rewrite
from portal_eventstore.vitals import diagnosis
from portal_eventstore.vitals import signs as vital_signs
from portal_eventstore.vitals.watch import Watcher

_VITALS = "shared/eventstore/tests/test_vitals.py::test_"
_FRESH = "shared/eventstore/tests/test_freshness.py::test_"
_JUDGED = "shared/eventstore/tests/test_diagnosis.py::test_given_"

MUTANTS: dict[str, Bug] = {
    "the append lock's waiters are taken for its holder": Bug(
        rewrite(vital_signs, 'if row["granted"]}', 'if not row["granted"]}'),
        _VITALS + "hazard_a_session_keeps_the_append_lock_then_it_is_named_until_it_lets_go",
    ),
    "a busy session is taken for one that keeps the lock": Bug(
        rewrite(diagnosis, "== (other.pid, other.started, other.transaction)", "and one.pid == other.pid"),
        _JUDGED + "one_session_appends_again_and_again_then_the_lock_is_not_blocked",
    ),
    "only an owner's silence counts as a stall": Bug(
        rewrite(diagnosis, "if not found.stalled:", "if not found.stalled or log.owner is None:"),
        _VITALS + "hazard_no_relay_runs_then_it_is_told_that_nobody_owns_the_log",
    ),
    "a stall never ends": Bug(
        rewrite(
            diagnosis.Diagnosis,
            "if log.oldest is None or self._moved is None or self._moved[0] != log.published:",
            "if self._moved is None:",
        ),
        _VITALS + "hazard_the_owner_hangs_then_whoever_stands_by_says_so_and_names_it",
    ),
    "a backlog is told only when it is long": Bug(
        rewrite(diagnosis, "found.oldest <= OLD_SECONDS and", ""),
        _VITALS + "hazard_kafka_is_down_then_the_backlog_is_seen_to_grow_and_to_drain",
    ),
    "unused positions are a backlog": Bug(
        rewrite(diagnosis, "and (log.oldest is None or", "and ("),
        _JUDGED + "a_backlog_that_is_old_or_long_then_it_is_told_though_events_get_on",
    ),
    "a view is fresh whenever somebody looks": Bug(
        rewrite(
            freshness,
            "case when p.next_offset >= l.had_offset then l.had_at else p.fresh_at end",
            "now()",
        ),
        _FRESH + "hazard_a_view_does_not_go_on_then_its_time_stands_still_until_it_does",
    ),
    "what a worker believes of its place is written": Bug(
        rewrite(
            freshness,
            "case when p.next_offset >= l.had_offset then l.had_at else p.fresh_at end",
            "coalesce(l.had_at, p.fresh_at)",
        ),
        _FRESH + "hazard_a_worker_that_should_be_dead_writes_then_the_place_decides",
    ),
    "only the last answer of Kafka counts": Bug(
        rewrite(freshness.Looks.add, "[*self._ends.get(tp, ()), end]", "[end]"),
        _FRESH + "hazard_a_view_is_some_records_behind_whenever_asked_then_it_is_not_stale",
    ),
    "a place that a batch holds is passed over": Bug(
        rewrite(freshness, "for update of p", "for update of p skip locked"),
        _FRESH + "given_a_batch_holds_the_place_when_the_time_is_written_then_it_waits_its_turn",
    ),
    "a view is as fresh as its freshest partition": Bug(
        rewrite(
            freshness,
            "case when bool_and(fresh_at is not null) then min(fresh_at) end",
            "max(fresh_at)",
        ),
        _FRESH + "given_a_partition_that_nobody_has_followed_yet_then_the_view_is_not_complete",
    ),
    "a place beyond the end is fresh": Bug(
        rewrite(project.Projector, "and before[tp].next_offset <= range_.end", ""),
        _FRESH + "hazard_a_topic_was_made_anew_then_the_view_is_not_fresh",
    ),
    "what was not published is taken for seen": Bug(
        rewrite(freshness.Freshness.look, "known[view] = min(at, waiting)", "pass"),
        _FRESH + "given_events_that_were_not_published_then_a_view_of_the_own_log_lacks_them",
    ),
    "old vitals are told as new": Bug(
        rewrite(
            Watcher.degraded,
            "if self.age <= _OUTDATED_SECONDS:",
            "if True:",
        ),
        _VITALS + "hazard_postgresql_is_away_then_nothing_old_is_told_as_new",
    ),
}
