"""Which bugs has an event store had before, and which test catches each when it is planted again?"""

import atexit
import shutil
import tempfile
from pathlib import Path

from portal_eventstore import execute, postgres
from portal_eventstore.testing.planting import Bug, Change, rewrite

_FIRST = next(postgres.MIGRATIONS.glob("0001_*.sql"))
_LOCK = "    perform pg_advisory_xact_lock(7305808869231650892);\n"
_CHECK = "        select distinct c.group_no from unnest"
_LOCKED_CHECK = """        with held as materialized (select pg_advisory_xact_lock(7305808869231650892))
        select distinct c.group_no from held, unnest"""
_LOCK_A_TAG = """    perform pg_advisory_xact_lock(hashtextextended(tag, 0)) from (
        select distinct tag from unnest(e_tags) as e (tags), string_to_table(e.tags, ' ') as tag order by tag
    ) as t;
"""
_SEQUENCE = "create sequence event_position;"
_REPEATABLE_READ = """
do $do$ begin
    execute format('alter database %I set default_transaction_isolation = %L',
        current_database(), 'repeatable read');
end $do$;
"""
_LEVEL = "    if current_setting('transaction_isolation') <> 'read committed' then"


def _migrated(*changes: tuple[str, str]) -> Change:
    """Make the tables with other text in the first migration."""

    def make() -> None:
        folder = Path(tempfile.mkdtemp(prefix="mutant-"))
        atexit.register(shutil.rmtree, folder)
        for migration in postgres.MIGRATIONS.glob("*.sql"):
            text = migration.read_text()
            for old, new in changes if migration == _FIRST else ():
                if old not in text:
                    raise AssertionError(f"nothing to mutate: {old!r}")
                text = text.replace(old, new)
            (folder / migration.name).write_text(text)
        postgres.MIGRATIONS = folder  # type: ignore[misc]

    return Change(frozenset({_FIRST}), make)


_RACES = "shared/eventstore/tests/test_races.py::"
_EXECUTE = "shared/eventstore/tests/test_execute.py::"
_ONE_WINS = _RACES + "test_given_16_tasks_in_4_processes_when_they_race_for_one_slot_then_one_wins"
_BENEATH_A_RELAY = (
    "shared/eventstore/tests/test_hazards_relay.py::test_given_a_slow_transaction_with_the_lower_position_"
    "when_another_appends_then_both_are_published"
)

MUTANTS: dict[str, Bug] = {
    "lock and check in one statement": Bug(
        _migrated(
            (_LOCK, ""),
            (_CHECK, _LOCKED_CHECK),
        ),
        _ONE_WINS,
    ),
    "append under repeatable read": Bug(
        _migrated(
            (_LEVEL, "    if false then"),
            (_SEQUENCE, _SEQUENCE + _REPEATABLE_READ),
        ),
        _ONE_WINS,
    ),
    "isolation level not refused": Bug(
        _migrated((_LEVEL, "    if false then")),
        _RACES + "test_given_repeatable_read_when_appended_then_the_function_refuses",
    ),
    "no append lock": Bug(_migrated((_LOCK, "")), _ONE_WINS),
    "no append lock, beneath a relay": Bug(
        _migrated((_LOCK, "")),
        _BENEATH_A_RELAY,
    ),
    "a lock a tag, one after for two tags": Bug(
        _migrated(
            (_LOCK, _LOCK_A_TAG),
        ),
        _RACES + "test_given_boundary_of_two_tags_when_one_is_under_way_then_its_conflict_is_not_lost",
    ),
    "an unconditional append skips the lock": Bug(
        _migrated((_LOCK, "    if cardinality(c_group) > 0 then " + _LOCK.strip() + " end if;\n")),
        _RACES + "test_given_append_under_way_when_another_commits_then_no_reader_misses_the_first[False]",
    ),
    "after from another read than the one that fed the decision": Bug(
        rewrite(
            execute, "bases[key] = Base(state, after)", "bases[key] = Base(state, await self._store.head())"
        ),
        _EXECUTE + "test_given_rival_between_read_and_append_when_executed_then_decided_again",
    ),
    "an answer rests on a cached state": Bug(
        rewrite(
            execute,
            "bases, requests = await self._read(session, waiting)",
            "known = {(id(w.decision), w.boundary) for w in waiting}\n"
            "        bases, requests = (\n"
            "            ({key: self._cache[key][1] for key in known}, {})\n"
            "            if known <= self._cache.keys() and not any(w.rounds for w in waiting)\n"
            "            else await self._read(session, waiting)\n"
            "        )",
        ),
        _RACES + "test_given_cached_state_when_another_process_writes_then_decided_on_fresh_facts",
    ),
    "answered before the commit": Bug(
        rewrite(
            postgres,
            "        verdicts = await super().append(appends, resend=resend)\n",
            "        return await super().append(appends, resend=resend)\n",
        ),
        _RACES + "test_given_append_under_the_lock_when_answered_then_others_see_it",
    ),
    "ids sent again are appended again": Bug(
        _migrated(("    if resend then", "    if false then")),
        _RACES + "test_given_batch_committed_but_answer_lost_when_sent_again_then_same_verdicts",
    ),
}
