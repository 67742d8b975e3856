"""May this store be written to, or does Kafka already hold more than it?

A store that was restored from an older backup would hand out positions that Kafka already has. So appends and
the relay wait until the store was compared with its topic: at start, and whenever a connection leads to
another server, timeline, database or table than was compared. Reading goes on meanwhile.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import asyncpg

from portal_events.topics import events_topic
from portal_eventstore.guard.identity import Connected, connected_to, keep_compared, last_compared
from portal_eventstore.guard.topic_end import Last, last_events
from portal_eventstore.history import SilentKafkaError

_log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_KAFKA_SECONDS = 5.0
_CONNECT_SECONDS = 5.0
_STOP_SECONDS = 2.0
_VERDICT_SECONDS = 2.0
_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0

_MISSING = """
select w.position from unnest($1::bigint[], $2::uuid[]) as w (position, id)
where not exists (select from event e where e.position = w.position and e.id = w.id)
and not exists (select from dropped_event d where d.position = w.position and d.id = w.id)
order by w.position
"""
_ENDS = """
select (select coalesce(max(position), 0) from event) as head,
    (select case when is_called then last_value else last_value - 1 end from event_position) as taken
"""


class StoreGuard:
    """Compares one service's store with its topic, in the background of a process that writes."""

    def __init__(self, database_url: str, owner: str, bootstrap_servers: str) -> None:
        """Guard `owner`'s store; `start` begins."""
        self._database_url = database_url
        self._owner = owner
        self._servers = bootstrap_servers
        self._admitted: Connected | None = None
        self._refused: Connected | None = None
        self._seen: Connected | None = None
        self._begun = self._finished = 0
        self._looked = asyncio.Event()
        self._compared = False
        self._problem: str | None = f"{owner}'s store was not yet compared with Kafka"
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self.generation = 0
        """Rises whenever another store is there than before: what was known of that one may be wrong."""

    async def start(self) -> None:
        """Begin; neither PostgreSQL nor Kafka has to be up."""
        self._task = asyncio.create_task(self._run(), name=f"{self._owner} store guard")

    async def stop(self) -> None:
        """Compare no more."""
        if self._task is None:
            return
        self._stopping = True
        self._wake.set()
        # aiokafka leaves a connection open when it is cancelled while it makes one.
        await asyncio.wait({self._task}, timeout=_STOP_SECONDS)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    def problems(self) -> Sequence[str]:
        """Say why nothing is appended, and which command mends it."""
        return [] if self._problem is None else [self._problem]

    async def ready(self) -> Sequence[str]:
        """Answer like `problems`, for /readyz."""
        return self.problems()

    def admits(self, connected: Connected) -> bool:
        """Tell whether that store may be written to; if not, look again soon."""
        if connected == self._admitted:
            return True
        if connected != self._refused:
            self._wake.set()
        return False

    async def admits_soon(self, connected: Connected) -> bool:
        """Answer like `admits`; of a store not looked at yet, after the next look, within a moment."""
        after = self._begun
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_VERDICT_SECONDS):
                while not self.admits(connected) and connected != self._refused and self._finished <= after:
                    await self._looked.wait()
        return connected == self._admitted

    async def _run(self) -> None:
        pause = _SHORTEST_PAUSE
        while not self._stopping:
            try:
                connection = await asyncpg.connect(
                    self._database_url,
                    timeout=_CONNECT_SECONDS,
                    command_timeout=_CONNECT_SECONDS,
                    server_settings={"application_name": f"{self._owner} store guard"},
                )
                try:
                    pause = _SHORTEST_PAUSE
                    await self._watch(connection)
                finally:
                    connection.terminate()
            except Exception as error:  # noqa: BLE001  whatever it is: nothing is admitted that was not compared
                _log.info("guard of %s: cannot look at the store (%s)", self._owner, type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _watch(self, connection: Any) -> None:
        """Compare whenever the store is another one; raises when the connection breaks."""
        while not self._stopping:
            self._begun += 1
            await self._look(connection)
            self._finished = self._begun
            self._looked.set()
            self._looked = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()
            if not self._stopping:
                self._wake.clear()

    async def _look(self, connection: Any) -> None:
        connected = await connected_to(connection)
        if connected == self._admitted and self._compared:
            return
        if connected != self._admitted:
            self._admitted = None
        if self._seen not in (None, connected):
            self.generation += 1
        self._seen = connected
        if connected.identity.timeline is None:
            self._refuse(
                connected, f"{self._owner}'s store is a replica: it takes no writes until it is promoted"
            )
            return
        try:
            # Kafka first, then the store: what a relay publishes in between is no reason for alarm.
            last = await last_events(self._servers, events_topic(self._owner), _KAFKA_SECONDS)
        except SilentKafkaError:
            if connected.identity == await last_compared(connection):
                self._admit(connected, compared=False)
            else:
                self._refuse(
                    connected,
                    f"{self._owner}'s store is not the one that was last compared with Kafka, and Kafka does "
                    "not answer: it takes no writes until Kafka does",
                )
            return
        sentence = await difference(connection, self._owner, last)
        if sentence is not None:
            self._refuse(connected, sentence)
            return
        if connected.identity != await last_compared(connection):
            await keep_compared(connection, connected.identity)
        self._admit(connected, compared=True)

    def _admit(self, connected: Connected, *, compared: bool) -> None:
        if connected != self._admitted:
            _log.info("guard of %s: the store may be written to", self._owner)
        self._admitted, self._refused = connected, None
        self._compared, self._problem = compared, None

    def _refuse(self, connected: Connected, sentence: str) -> None:
        if sentence != self._problem:
            _log.error("%s", sentence)
        self._admitted, self._refused, self._problem = None, connected, sentence


async def difference(connection: Any, owner: str, last: Sequence[Last]) -> str | None:
    """Say how the store falls short of what Kafka holds last; None when it does not."""
    top = max((event.position for event in last), default=0)
    head, taken = await connection.fetchrow(_ENDS)
    missing = await connection.fetch(
        _MISSING, [event.position for event in last], [event.id for event in last]
    )
    positions = [row["position"] for row in missing]
    if positions and positions[0] <= head:
        return (
            f"{owner}'s store and Kafka hold different events at position {positions[0]}: "
            f"./portal verify {owner} names the differences"
        )
    if positions or taken < top:
        return (
            f"{owner}'s store ends at position {head}, but Kafka holds up to {top}: "
            f"run ./portal restore {owner}"
        )
    return None
