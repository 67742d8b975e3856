"""How do a service's views follow the topics, and how does a reader wait for its own write?"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from portal_eventstore.consume import ViewConsumption
from portal_eventstore.editions import create_tables
from portal_eventstore.freshness import End, Looks, note
from portal_eventstore.kafka import Consumers
from portal_eventstore.parking.copies import ParkedCopies
from portal_eventstore.rebuild.by_itself import Followable, Rebuilds
from portal_eventstore.view import Projection, View, view_of

_log = logging.getLogger(__name__)

_WATCH_SECONDS = 2.0
_WATCH_TIMEOUT = 5.0
_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

# A view is mostly a few milliseconds behind: asked often at first, then less and less.
_SHORTEST_POLL = 0.002
_LONGEST_POLL = 0.02

# A view that was never started reads no topic yet: it has not reached anything.
_BEHIND = """
select not exists (select from projection_topic t where t.view = $1) or exists (
    select from unnest($2::text[], $3::int[], $4::bigint[]) as w (topic, partition, position)
    join projection_topic t on t.view = $1 and t.topic = w.topic
    left join projection_position p
        on p.view = $1 and p.topic = w.topic and p.partition = w.partition
    where coalesce(p.last_position, 0) < w.position
)
"""


class Projector:
    """Keeps views of one service up to date. Any number of workers share the partitions."""

    def __init__(
        self,
        *,
        service: str,
        pool: Any,
        bootstrap_servers: str,
        projections: Sequence[Projection] = (),
        views: Sequence[View[Any]] = (),
        rebuilds: Rebuilds | None = None,
    ) -> None:
        """Follow `projections`, and `views` over other records than events.

        A view whose tables are of another edition, or gone, is built anew by `rebuilds`, then followed.
        """
        self._service = service
        self._pool = pool
        self._servers = bootstrap_servers
        self._views = [*map(view_of, projections), *views]
        self._followable = Followable(service, pool, self._views, rebuilds)
        self._alone = asyncio.Lock()
        self._consumptions: dict[str, ViewConsumption[Any]] = {}
        self._looks: defaultdict[str, Looks] = defaultdict(Looks)
        self._followed: list[View[Any]] = []
        self._built_at: dict[str, datetime | None] = {}
        self._copies = ParkedCopies(service=service, pool=pool, bootstrap_servers=bootstrap_servers)
        self._task: asyncio.Task[None] | None = None
        self._kafka: str | None = None

    async def start(self) -> None:
        """Create missing tables, then follow in the background; Kafka need not be up."""
        await create_tables(self._pool, self._views)
        self._kafka = "Kafka is not reached yet"
        self._task = asyncio.create_task(self._run(), name=f"{self._service} projections")
        if any(view.parks for view in self._views):
            await self._copies.start()

    async def stop(self) -> None:
        """Finish the batches at hand and leave the groups."""
        if self._task is None:
            return
        await self._copies.stop()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        await self._followable.stop()

    def problems(self) -> list[str]:
        """Say which views do not go on, and why."""
        found = [] if self._kafka is None else [f"projections of {self._service}: {self._kafka}"]
        found += self._followable.problems()
        return found + [problem for c in self._following() for problem in c.problems()]

    def stopped(self) -> dict[str, bool]:
        """Say of each view whether something keeps it from going on."""
        return self._followable.stopped() | {c.name: bool(c.problems()) for c in self._following()}

    def _following(self) -> list[ViewConsumption[Any]]:
        return [self._consumptions[view.name] for view in self._followed]

    async def _run(self) -> None:
        pause = _SHORTEST_PAUSE
        while True:
            await self._choose()
            consumers = Consumers(self._servers, self._service, self._following())
            try:
                await consumers.start()
                await self._watch(consumers)
                pause = _SHORTEST_PAUSE
            except Exception as error:  # noqa: BLE001  whatever it is, it is told and tried again
                self._kafka = f"Kafka cannot be reached ({type(error).__name__})"
                _log.warning("projections of %s: %s", self._service, self._kafka)
            finally:
                with contextlib.suppress(Exception):
                    await consumers.stop()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _choose(self) -> bool:
        """See which views may be followed; tell whether others than before. Those of a lost database stay."""
        try:
            followed = await self._followable.look()
        except Exception as error:  # noqa: BLE001  the views' own transactions decide in the end
            _log.warning("projections of %s: the database: %s", self._service, type(error).__name__)
            return False
        built_at = dict(self._followable.built_at)
        other = [view.name for view in followed] != [view.name for view in self._followed]
        for view in followed:
            known = self._consumptions.get(view.name)
            # What stopped on the old tables begins afresh on those that were put in their place.
            replaced = built_at[view.name] != self._built_at.get(view.name)
            if known is None or (replaced and known.problems()):
                self._consumptions[view.name] = ViewConsumption(self._pool, view, self._alone)
                other = True
        self._followed, self._built_at = followed, built_at
        return other

    async def _watch(self, consumers: Consumers) -> None:
        """Look after lost offsets, and show how far the views are; return when others may be followed."""
        while True:
            try:
                # Side by side: what a consumer is asked waits for the fetch that it has under way.
                async with asyncio.timeout(_WATCH_TIMEOUT):
                    await asyncio.gather(*(self._look(consumers, n) for n in range(len(self._followed))))
            except Exception as error:  # noqa: BLE001  aiokafka reconnects by itself: this only tells
                self._kafka = f"Kafka does not answer ({type(error).__name__})"
            else:
                self._kafka = None
            await asyncio.sleep(_WATCH_SECONDS)
            if await self._choose():
                return

    async def _look(self, consumers: Consumers, number: int) -> None:
        view, looked_at = self._followed[number], datetime.now(UTC)
        consumption = self._consumptions[view.name]
        before = dict(consumption.places)
        ranges = await consumers.ranges(number)
        consumption.check(before, ranges)
        offsets = {tp: place.next_offset for tp, place in consumption.places.items()}
        await consumers.show(number, offsets)
        # A place beyond the end is of a topic that was made anew: nothing is fresh there.
        ends = {
            tp: End(range_.end, looked_at)
            for tp, range_ in ranges.items()
            if tp in before and before[tp].next_offset <= range_.end
        }
        looks = self._looks[view.name]
        looks.add(ends)
        try:
            await note(self._pool, view, ends, looks.had(offsets))
        except Exception as error:  # noqa: BLE001  whatever it is: the view's time stands still, and is seen to
            _log.warning("view %s: freshness is not written (%s)", consumption.name, type(error).__name__)


async def reached(pool: Any, view: str, wanted: Mapping[tuple[str, int], int], within: float) -> bool:
    """Wait up to `within` seconds until `view` has applied these positions; tell whether it has.

    Topics that the view does not read do not count.
    """
    if not wanted:
        return True
    columns = (
        [topic for topic, _ in wanted],
        [partition for _, partition in wanted],
        list(wanted.values()),
    )
    clock = asyncio.get_running_loop().time
    deadline = clock() + within
    pause = _SHORTEST_POLL
    while True:
        behind: bool = await pool.fetchval(_BEHIND, view, *columns)
        if not behind:
            return True
        if clock() + pause > deadline:
            return False
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, _LONGEST_POLL)
