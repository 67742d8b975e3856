"""Up to when is a view complete?

Whoever follows a partition asks Kafka every two seconds how far it has come, and writes down the time of
asking once the view has all of that (`note`). Readers look at what is written once a second, a process, and
so know it without a query of their own (`Freshness`).
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from portal_events.topics import events_topic
from portal_eventstore.kafka import Partition
from portal_eventstore.view import View
from portal_eventstore.vitals.unpublished import OLDEST, appended_at

_log = logging.getLogger(__name__)

STALE_AFTER: Final = timedelta(seconds=10)
"""A view is written to be complete every two seconds, and a worker that dies is replaced within these."""

_POLL_SECONDS: Final = 1.0
_POLL_TIMEOUT: Final = 2.0

# The table's own place decides, not what a worker believes it to be: one that should be dead writes nothing
# but the truth. A place that a batch holds is left for the next look, so that neither waits for the other.
_NOTE = """
with impatient as materialized (select set_config('synchronous_commit', 'off', true)),
look as materialized (
    select * from unnest($3::text[], $4::int[], $5::bigint[]) as l (topic, partition, end_offset)
), free as materialized (
    select p.topic, p.partition from projection_position p join look using (topic, partition)
    where p.view = $1 and p.edition = $2
    order by p.topic, p.partition for update of p skip locked
), noted as (
    update projection_position p set end_offset = l.end_offset,
        fresh_at = case when p.next_offset >= l.end_offset then $6 else p.fresh_at end
    from look l join free using (topic, partition)
    where p.view = $1 and p.topic = l.topic and p.partition = l.partition
    returning true
)
select (select count(*) from noted) from impatient
"""
# A partition that nobody has followed to its end yet leaves the view without a time.
_FRESH = """
select view, case when bool_and(fresh_at is not null) then min(fresh_at) end as fresh_at
from projection_position where view = any ($1) group by view
"""


async def note(pool: Any, view: View[Any], ends: Mapping[Partition, int], looked_at: datetime) -> None:
    """Write down how far Kafka had come at `looked_at`, and where the view has all of it."""
    if ends:
        await pool.fetchval(
            _NOTE,
            view.name,
            view.edition,
            [topic for topic, _ in ends],
            [partition for _, partition in ends],
            list(ends.values()),
            looked_at,
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
