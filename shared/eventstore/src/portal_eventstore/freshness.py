"""Up to when is a view complete?

Whoever follows a partition asks Kafka every two seconds how far it has come (`Looks`), and writes down the
time of asking once the view has all of that (`note`). A view that is always some records behind is complete
up to an earlier time of asking, not to none. Readers look at what is written once a second, a process, and
so know it without a query of their own (`Freshness`).
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from portal_events.topics import events_topic
from portal_eventstore.kafka import Partition
from portal_eventstore.view import View
from portal_eventstore.vitals.unpublished import OLDEST, appended_at

_log = logging.getLogger(__name__)

STALE_AFTER: Final = timedelta(seconds=10)
"""A view is written to be complete every two seconds, and a worker that dies is replaced within these."""

_POLL_SECONDS: Final = 1.0
_POLL_TIMEOUT: Final = 2.0

_REMEMBERED: Final = 32
"""Times of asking, for each partition: about a minute."""

# The table's own place decides, not what a worker believes it to be: one that should be dead writes nothing
# but the truth. A place that a batch holds is waited for, or a busy view's time would stand still; rows are
# locked in one order everywhere, so the two cannot deadlock. Who holds it for longer is not applying a batch.
_NOTE = """
with impatient as materialized (
    select set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '1s', true)
), look as materialized (
    select * from unnest($3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::timestamptz[])
        as l (topic, partition, end_offset, had_offset, had_at)
), held as materialized (
    select p.topic, p.partition from impatient, projection_position p join look using (topic, partition)
    where p.view = $1 and p.edition = $2
    order by p.topic, p.partition for update of p
), noted as (
    update projection_position p set end_offset = l.end_offset,
        fresh_at = case when p.next_offset >= l.had_offset then l.had_at else p.fresh_at end
    from look l join held using (topic, partition)
    where p.view = $1 and p.topic = l.topic and p.partition = l.partition
    returning true
)
select count(*) from noted
"""
# A partition that nobody has followed to its end yet leaves the view without a time.
_FRESH = """
select view, case when bool_and(fresh_at is not null) then min(fresh_at) end as fresh_at
from projection_position where view = any ($1) group by view
"""


class End(NamedTuple):
    """How far Kafka had come in a partition, and when it was asked."""

    offset: int
    at: datetime


class Looks:
    """Remembers what Kafka said of one view's partitions until the view has come so far."""

    def __init__(self) -> None:
        """Begin with none."""
        self._ends: dict[Partition, deque[End]] = {}

    def add(self, ends: Mapping[Partition, End]) -> None:
        """Remember the answers to one question; partitions that are not among them are forgotten."""
        self._ends = {
            tp: deque([*self._ends.get(tp, ()), end], maxlen=_REMEMBERED) for tp, end in ends.items()
        }

    def had(self, offsets: Mapping[Partition, int]) -> dict[Partition, End]:
        """Return the last end that a view at `offsets` has reached, if any; forget it and those before."""
        found: dict[Partition, End] = {}
        for tp, ends in self._ends.items():
            while ends and ends[0].offset <= offsets.get(tp, 0):
                found[tp] = ends.popleft()
        return found


async def note(
    pool: Any, view: View[Any], ends: Mapping[Partition, End], had: Mapping[Partition, End]
) -> None:
    """Write down how far Kafka has come, and up to when the view `had` all of it."""
    if ends:
        reached = [had.get(tp) for tp in ends]
        await pool.fetchval(
            _NOTE,
            view.name,
            view.edition,
            *zip(*ends, strict=True),
            [end.offset for end in ends.values()],
            [end and end.offset for end in reached],
            [end and end.at for end in reached],
        )


class Freshness:
    """Knows up to when each view is complete, as of the last second."""

    def __init__(self, pool: Any, views: Mapping[str, Sequence[str]], log_of: str | None = None) -> None:
        """Watch `views`, each with its topics. `log_of`: the service whose log is in this database.

        What such a log has not published yet is known to be missing in its own views.
        """
        self._pool = pool
        self._views = views
        self._own_topic = None if log_of is None else events_topic(log_of)
        self._known: dict[str, datetime | None] | None = None

    def complete_until(self, view: str) -> datetime | None:
        """Return up to when `view` has everything; None where that is not known."""
        return None if self._known is None else self._known.get(view)

    def stale(self, view: str) -> bool:
        """Tell whether `view` was last complete too long ago, as far as anybody has looked yet."""
        if self._known is None:
            return False
        at = self._known.get(view)
        return at is None or datetime.now(UTC) - at > STALE_AFTER

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Look again and again during the block; with the database away, what is known grows old."""
        task = asyncio.create_task(self._look_on(), name="freshness")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def look(self) -> None:
        """Look now."""
        async with asyncio.timeout(_POLL_TIMEOUT), self._pool.acquire() as connection:
            rows = await connection.fetch(_FRESH, list(self._views))
            oldest = None if self._own_topic is None else await connection.fetchrow(OLDEST)
        waiting = None if oldest is None else datetime.fromtimestamp(appended_at(oldest["id"]), UTC)
        known = {row["view"]: row["fresh_at"] for row in rows}
        for view, topics in self._views.items():
            at = known.get(view)
            if at is not None and waiting is not None and self._own_topic in topics:
                known[view] = min(at, waiting)
        self._known = known

    async def _look_on(self) -> None:
        told = False
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001  whatever it is: what is known grows old, and says so
                if not told:
                    _log.warning("freshness is not known at the moment (%s)", type(error).__name__)
                told = True
            else:
                told = False
            await asyncio.sleep(_POLL_SECONDS)
