"""Which bugs must the tests of rebuilding catch?

Each plants one by patching one seam; the test beside it must then fail.
"""

from typing import Any, Final

from portal_eventstore import editions
from portal_eventstore.parking import parked
from portal_eventstore.rebuild import compare, digest, lock, switch, tables
from portal_eventstore.rebuild.build import Build
from portal_eventstore.testing.planting import Bug, replacing, rewrite

_REBUILD: Final = "shared/eventstore/tests/test_rebuild.py::test_given_"
_FAULTS: Final = "shared/eventstore/tests/test_rebuild_faults.py::test_given_"
_BY_ITSELF: Final = "shared/eventstore/tests/test_rebuild_by_itself.py::test_given_"


@replacing(Build, "guard")
async def unguarded_build(self: Any, connection: Any) -> None:
    """What a cancelled build writes late goes to the live tables."""
    del self, connection


MUTANTS: Final[dict[str, Bug]] = {
    "a build that tells": Bug(
        rewrite(tables, "as ''", "as 'select pg_catalog.pg_notify($1, $2)'"),
        _REBUILD + "a_followed_view_when_rebuilt_then_equal_and_followed_on_and_nothing_is_told",
    ),
    "a digest without a column": Bug(
        rewrite(
            digest,
            "hashtextextended(whole_row::text, 1) as one, hashtextextended(whole_row::text, 2)",
            "hashtextextended(whole_row::text::varchar(40), 1) as one,"
            " hashtextextended(whole_row::text::varchar(40), 2)",
        ),
        _REBUILD + "one_cell_was_altered_when_rebuilt_then_the_row_is_named_and_mended",
    ),
    "unguarded build": Bug(
        unguarded_build,
        _FAULTS + "a_cancelled_build_when_its_process_writes_late_then_no_table_changes",
    ),
    "one rebuild too many": Bug(
        rewrite(lock, "pg_try_advisory_lock({_KEY})", "$1::text is not null"),
        _FAULTS + "a_rebuild_runs_when_another_begins_then_it_says_so_and_leaves_it_alone",
    ),
    "tables that nobody follows are waited for": Bug(
        rewrite(compare, "if not places:", "if False:"),
        _REBUILD + "tables_that_nobody_follows_yet_when_rebuilt_then_they_are_not_waited_for",
    ),
    "discarded events met again": Bug(
        rewrite(
            parked, "where view = $1 and status = 'discarded'", "where view = $1 and status = 'forgotten'"
        ),
        _FAULTS + "an_event_that_cannot_be_folded_when_rebuilt_then_it_alone_is_parked_with_its_key",
    ),
    "parked under the build's name": Bug(
        rewrite(switch, "set view = $2 where view = $1", "set view = $2 where view = $1 and false"),
        _FAULTS + "an_event_that_cannot_be_folded_when_rebuilt_then_it_alone_is_parked_with_its_key",
    ),
    "a lost table made again empty": Bug(
        rewrite(
            editions.create_tables,
            "elif await registered(connection, view.name) is None and not await connection.fetchval(\n"
            "                _FOLLOWED, view.name\n            ):",
            "else:",
        ),
        _BY_ITSELF + "a_table_was_dropped_when_started_then_all_of_it_is_built_anew",
    ),
    "old code builds its own again": Bug(
        rewrite(switch, "array_append(array_remove(replaced, $2), $2)", "replaced"),
        _BY_ITSELF + "a_new_version_when_started_then_built_by_itself_while_the_old_tables_serve",
    ),
}
