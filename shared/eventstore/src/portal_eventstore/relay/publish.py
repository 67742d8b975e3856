"""How does every committed event reach Kafka, in order, whatever dies in between?

The relay reads `position > published`: commit order is position order, so nothing fills in below. An event is
sent only when every earlier event of its partition was acknowledged or stands before it in the same batch; so
first occurrences are in position order within a partition, whoever else is sending, and everything that a
paused or replaced relay still sends is a duplicate, which readers drop by position.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from portal_events.cloudevents import to_record
from portal_events.topics import events_topic, partition_for
from portal_eventstore.guard.guard import StoreGuard
from portal_eventstore.guard.identity import Connected, connected_to
from portal_eventstore.kafka import Outgoing, Publisher
from portal_eventstore.metadata import stored_event
from portal_eventstore.postgres import HEAD, TAIL
from portal_eventstore.relay.producing import Producing, Publishes
from portal_eventstore.relay.unacknowledged import Unacknowledged, Waiting

_log = logging.getLogger(__name__)

OWNERSHIP_LOCK = 7305808869231650893
"""The key of the session advisory lock that the relay's owner holds; the append lock's is one lower."""

_POLL_SECONDS = 0.5
_LEASE_SECONDS = 10
# In a process that also answers HTTP a read must not hold the loop for long: 500 events take some 15 ms.
_READ_EVENTS = 500
_WAITING_EVENTS = 10_000
_WAITING_BYTES = 32 * 1024 * 1024
_DRAIN_SECONDS = 2.0
_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

_CLAIM = "update relay set epoch = epoch + 1 returning published, epoch"
_ADVANCE = "update relay set published = $1 where epoch = $2 and published < $1 returning true"


class LostOwnershipError(Exception):
    """Another relay has taken the next epoch."""


class NotAdmittedError(Exception):
    """The store was not compared with its topic, or falls short of it; the guard says so."""


class Relay:
    """Publishes one service's log. Any number may run; one at a time owns the log, the others wait."""

    def __init__(
        self,
        *,
        database_url: str,
        owner: str,
        bootstrap_servers: str,
        connect: Callable[[str], Awaitable[Publishes]] = Publisher.connect,
        lease_seconds: float = _LEASE_SECONDS,
        guard: StoreGuard | None = None,
    ) -> None:
        """Publish `owner`'s events. An owner that is silent for `lease_seconds` loses the log to another.

        Where there is a `guard`, only a store that it admits is published.
        """
        self._database_url = database_url
        self._owner = owner
        self._servers = bootstrap_servers
        self._connect = connect
        self._lease_seconds = lease_seconds
        self._guard = guard
        self._task: asyncio.Task[None] | None = None
        self._problem: str | None = None
        self._owned: _Owned | None = None
        self._failed = 0

    @property
    def owns(self) -> bool:
        """Tell whether this relay publishes; the others stand by."""
        return self._owned is not None

    @property
    def failed(self) -> int:
        """Count what has failed so far: reading the log, reaching Kafka, publishing a batch."""
        return self._failed + (0 if self._owned is None else self._owned.failed)

    async def start(self) -> None:
        """Begin in the background; neither PostgreSQL nor Kafka has to be up."""
        self._task = asyncio.create_task(self._run(), name=f"{self._owner} relay")

    async def stop(self) -> None:
        """Let what is on its way arrive, for a moment, and give the log up."""
        if self._task is None:
            return
        if self._owned is not None:
            await self._owned.drain(_DRAIN_SECONDS)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    def problems(self) -> list[str]:
        """Say what keeps events from Kafka, and how many wait."""
        found = [] if self._problem is None else [self._problem]
        if self._owned is not None:
            found += self._owned.problems()
        return [f"relay of {self._owner}: {problem}" for problem in found]

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        pause = _SHORTEST_PAUSE
        while True:
            began = clock()
            try:
                await self._compete()
            except LostOwnershipError:
                _log.warning("relay of %s: another relay took over", self._owner)
            except NotAdmittedError:
                self._problem = None
            except Exception as error:  # noqa: BLE001  whatever it is: the relay says so and tries again
                self._failed += 1
                self._problem = f"cannot read the log ({type(error).__name__})"
                _log.warning("relay of %s: %s", self._owner, self._problem)
            # What worked for a while is not what failed again and again.
            pause = min(2 * pause, _LONGEST_PAUSE) if clock() - began < _LONGEST_PAUSE else _SHORTEST_PAUSE
            await asyncio.sleep(pause)

    def _admits(self, connected: Connected) -> bool:
        return self._guard is None or self._guard.admits(connected)

    async def _compete(self) -> None:
        """Wait for the ownership lock, then publish until something breaks. Raises, never returns."""
        lease = str(int(self._lease_seconds * 1000))
        connection = await asyncpg.connect(
            self._database_url,
            server_settings={
                "application_name": f"{self._owner} relay",
                # The lock lives as long as this session. A paused owner falls silent, the server ends its
                # session, and another takes over: without these the lock would stay until it woke up.
                "idle_session_timeout": lease,
                "idle_in_transaction_session_timeout": lease,
                "tcp_user_timeout": lease,
                "statement_timeout": "30s",
            },
        )
        try:
            while not await connection.fetchval("select pg_try_advisory_lock($1)", OWNERSHIP_LOCK):
                self._problem = None
                await asyncio.sleep(_POLL_SECONDS)
            connected = await connected_to(connection)
            if not self._admits(connected):
                raise NotAdmittedError
            # The claim is durable, as any commit; `published` itself may fall back in a crash of the server,
            # which only repeats events, so it does not wait for the disk.
            published, epoch = await connection.fetchrow(_CLAIM)
            await connection.execute("set synchronous_commit = off")
            self._problem = None
            _log.info("relay of %s: owns the log from %d, epoch %d", self._owner, published, epoch)
            self._owned = _Owned(
                connection, self._owner, published, epoch, lambda: self._connect(self._servers)
            )
            await self._owned.run(lambda: self._admits(connected))
        finally:
            self._failed, self._owned = self.failed, None
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await connection.close(timeout=_DRAIN_SECONDS)


class _Owned:
    """The log while this process owns it."""

    def __init__(
        self,
        connection: Any,
        owner: str,
        published: int,
        epoch: int,
        connect: Callable[[], Awaitable[Publishes]],
    ) -> None:
        self._connection = connection
        self._owner = owner
        self._topic = events_topic(owner)
        self._epoch = epoch
        self._published = published
        self._head = published
        self._waiting = Unacknowledged(published)
        self._producing = Producing(self._topic, self._waiting, connect)
        self._stopping = False
        self._drained = asyncio.Event()

    @property
    def failed(self) -> int:
        """Count what Kafka has refused or not answered."""
        return self._producing.failed

    async def run(self, admitted: Callable[[], bool]) -> None:
        """Publish until the connection breaks, another relay has taken over or the store is another one."""
        wake = self._producing.wake
        await self._connection.add_listener("event_appended", lambda *_: wake.set())
        try:
            while True:
                wake.clear()
                more = await self._read()
                if not admitted():
                    raise NotAdmittedError
                self._producing.pump()
                await self._advance()
                if self._stopping and not self._waiting:
                    self._drained.set()
                if not more:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_POLL_SECONDS):
                            await wake.wait()
        finally:
            await self._producing.close()

    async def drain(self, within: float) -> None:
        """Read no more, and wait until nothing is on its way."""
        self._stopping = True
        self._producing.wake.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._drained.wait()

    def problems(self) -> list[str]:
        """Say what keeps events from Kafka, and how many wait."""
        backlog = max(self._head, self._waiting.read) - self._published
        return [f"{problem}; {backlog} events wait" for problem in self._producing.problems()]

    async def _read(self) -> bool:
        """Take in the next events, as far as there is room; return whether more may be there."""
        full = len(self._waiting) >= _WAITING_EVENTS or self._waiting.bytes >= _WAITING_BYTES
        if self._stopping or self._producing.partitions is None or full:
            # Asked anyway: it keeps the session alive, and tells how much waits.
            self._head = await self._connection.fetchval(HEAD)
            return False
        rows = await self._connection.fetch(TAIL, self._waiting.read, _READ_EVENTS)
        for row in rows:
            record = to_record(stored_event(self._owner, row))
            self._waiting.add(
                partition_for(record.key, self._producing.partitions),
                Waiting(row["position"], Outgoing(record.key, record.value, record.headers)),
            )
        return len(rows) == _READ_EVENTS

    async def _advance(self) -> None:
        published = self._waiting.published()
        if published > self._published:
            await advance(self._connection, published, self._epoch)
            self._published = published


async def advance(connection: Any, published: int, epoch: int) -> None:
    """Move `published`, as the owner with this epoch; raises LostOwnershipError when there is a later one."""
    if not await connection.fetchval(_ADVANCE, published, epoch):
        raise LostOwnershipError
