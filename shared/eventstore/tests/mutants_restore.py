"""Which bugs must the tests of guard, restore, verify and backup catch?"""

from portal_eventstore import postgres
from portal_eventstore.backup import archive, load, write
from portal_eventstore.execute import Decider
from portal_eventstore.guard import guard, identity, topic_end
from portal_eventstore.relay import publish
from portal_eventstore.restore import appends, events, keys, store
from portal_eventstore.testing.planting import Bug, rewrite
from portal_eventstore.verify import log as verify_log

_GUARD = "shared/eventstore/tests/test_store_guard.py::test_"
_RESTORE = "shared/eventstore/tests/test_restore.py::test_"
_VERIFY = "shared/eventstore/tests/test_verify.py::test_"
_BACKUP = "shared/eventstore/tests/test_backup.py::test_"


MUTANTS: dict[str, Bug] = {
    "store that asks no guard": Bug(
        rewrite(postgres.PostgresStore, "if guard is None:", "if True:"),
        _GUARD + "given_a_topic_ahead_when_started_then_writes_are_refused_by_name_and_reads_go_on",
    ),
    "identity without the tables": Bug(
        rewrite(identity, "pg_relation_filenode(to_regclass('event'))", "1::oid"),
        _GUARD + "given_an_older_dump_was_read_in_under_a_running_store_when_written_then_refused",
    ),
    "unknown store admitted while Kafka is down": Bug(
        rewrite(
            guard.StoreGuard,
            "if connected.identity == await last_compared(connection):",
            "if True:",
        ),
        _GUARD + "given_kafka_is_down_when_started_then_only_a_store_that_was_compared_is_admitted",
    ),
    "never compared once Kafka is back": Bug(
        rewrite(
            guard.StoreGuard,
            "if connected == self._admitted and self._compared:",
            "if connected == self._admitted:",
        ),
        _GUARD + "given_kafka_was_down_at_the_start_when_it_is_back_then_the_store_is_compared",
    ),
    "failover unseen": Bug(
        rewrite(guard.StoreGuard.admits, "if connected == self._admitted:", "if self._admitted:"),
        _GUARD + "hazard_failover_when_connections_lead_to_another_server_then_it_is_compared_first",
    ),
    "relay of a store that was not admitted": Bug(
        rewrite(publish.Relay, "return self._guard is None or self._guard", "return True or self._guard"),
        _GUARD + "given_a_running_relay_when_an_older_dump_is_read_in_then_it_publishes_nothing_of_it",
    ),
    "only the last record is looked at": Bug(
        rewrite(topic_end, "return len(events) < len(records) or not rises", "return False"),
        _GUARD + "given_relays_died_over_duplicates_when_asked_then_the_topic_ends_at_the_highest",
    ),
    "decider that remembers another store": Bug(
        rewrite(Decider, "self._cache.clear()", "pass"),
        _GUARD
        + "given_a_decider_that_knew_a_state_when_the_store_was_replaced_then_it_decides_on_what_is_there",
    ),
    "sequence that stays behind": Bug(
        rewrite(store, "greatest($1, ", "greatest(least($1, 1), "),
        _RESTORE + "given_a_lost_database_when_restored_then_every_column_of_every_row_is_as_it_was",
    ),
    "half an append kept": Bug(
        rewrite(appends.Appends, "found.dropped.extend(group)", "found.whole.extend(group)"),
        _RESTORE + "given_the_last_append_is_not_whole_in_kafka_when_restored_then_it_is_dropped_and_known",
    ),
    "damage taken for an end": Bug(
        rewrite(appends.Appends, "if self._lowest_last >", "if False and self._lowest_last >"),
        _RESTORE + "given_an_append_in_the_middle_is_not_whole_when_restored_then_it_is_refused_as_damage",
    ),
    "overlap not compared": Bug(
        rewrite(events, "if wrong:", "if False:"),
        _RESTORE + "given_a_diverged_store_when_restored_then_it_is_refused_and_nothing_changed",
    ),
    "relay's mark over what Kafka lacks": Bug(
        rewrite(events, "return top if", "return top if True or"),
        _RESTORE + "given_the_backup_holds_what_was_never_relayed_when_restored_then_the_relay_goes_on_there",
    ),
    "writer unseen": Bug(
        rewrite(store.add, "if await connection.fetchval(HEAD) != after:", "if False:"),
        _RESTORE + "given_somebody_writes_meanwhile_when_restored_then_it_stops",
    ),
    "tags left out": Bug(
        rewrite(store.add, "for e in events for tag in e.tags", "for e in events for tag in e.tags[:1]"),
        _RESTORE + "given_a_lost_database_when_restored_then_every_column_of_every_row_is_as_it_was",
    ),
    "erased key brought back": Bug(
        rewrite(keys, "where published_at is not null and", "where false and"),
        _BACKUP + "hazard_an_erased_key_comes_back_with_a_backup",
    ),
    "records not compared": Bug(
        rewrite(verify_log, "if not same or partition", "if partition"),
        _VERIFY + "given_a_change_when_verified_then_its_position_is_named",
    ),
    "lost events taken for waiting": Bug(
        rewrite(verify_log, "if event.position > self._published:", "if True:"),
        _VERIFY + "given_a_record_that_overtook_another_when_verified_then_the_other_is_lost",
    ),
    "lag taken for loss": Bug(
        rewrite(verify_log, "if event.position > self._published:", "if False:"),
        _VERIFY + "given_writers_and_a_relay_when_verified_meanwhile_then_it_is_clean",
    ),
    "backup unchecked": Bug(
        rewrite(archive.Archive, "if digest.hexdigest() != part.sha256:", "if False:"),
        _BACKUP + "given_a_damaged_backup_when_opened_then_it_says_so",
    ),
    "backup over a store": Bug(
        rewrite(load, "and exists (select from event)", "and false"),
        _BACKUP + "given_a_store_that_holds_events_when_loaded_then_refused_and_unchanged",
    ),
    "backup that others read": Bug(
        rewrite(archive.Writing, "0o600", "0o644"),
        _BACKUP + "given_a_backup_when_it_was_made_then_only_its_owner_reads_it_and_it_holds_no_view",
    ),
    "backup without the sequences": Bug(
        rewrite(write, "where schemaname = 'public'", "where false"),
        _BACKUP
        + "given_a_lost_database_when_a_backup_is_loaded_then_every_row_is_there_and_younger_events_too",
    ),
}
