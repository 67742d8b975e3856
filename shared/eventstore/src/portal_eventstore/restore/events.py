"""How does a store get back the events that Kafka has and it has not?

In an order that a kill at any moment cannot harm: the sequence first, then whole appends by position. As long
as something is missing the guard refuses writes; run again, it goes on where it stopped.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from portal_events.topics import events_topic, partition_for
from portal_eventstore.guard.guard import difference
from portal_eventstore.guard.identity import connected_to, keep_compared
from portal_eventstore.guard.topic_end import last_events
from portal_eventstore.history import fences
from portal_eventstore.kafka import Partition, Range
from portal_eventstore.log_in_order import Item, LogInOrder
from portal_eventstore.restore import store
from portal_eventstore.restore.appends import Appends, DamagedTopicError, Sorted

_KAFKA_SECONDS = 30.0
_LOCK = 7305808869231650894
"""The key of the session advisory lock that a restore holds; the relay's is one lower."""

_NAMED = 5


class RestoreError(Exception):
    """It cannot be done; the message is one sentence that says why."""


@dataclass
class Imported:
    """What came back. `lost`: positions below Kafka's highest that nobody holds any more."""

    before: int
    top: int
    published_before: int
    events: int = 0
    dropped: int = 0
    lost: int = 0
    unpublished: int = 0


@asynccontextmanager
async def only_restore(database_url: str, owner: str) -> AsyncIterator[Any]:
    """Connect, and let no other restore of this database run meanwhile."""
    connection = await asyncpg.connect(
        database_url, server_settings={"application_name": f"{owner} restore", "jit": "off"}
    )
    try:
        if not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
            raise RestoreError(f"another restore of {owner} runs; wait for it.")
        yield connection
    finally:
        await connection.close(timeout=5)


async def import_events(
    connection: Any,
    owner: str,
    bootstrap_servers: str,
    told: Callable[[int, int], None] = lambda _, __: None,
    *,
    leave_out_incomplete: bool = False,
) -> Imported:
    """Bring the store up to its topic; `told(position, top)` hears how far it is. Raises RestoreError.

    `leave_out_incomplete`: an append that is not whole is left out wherever it stands.
    """
    topic = events_topic(owner)
    ranges = await fences(bootstrap_servers, topic)
    _refuse_beheaded(ranges)
    last = await last_events(bootstrap_servers, topic, _KAFKA_SECONDS)
    top = max((event.position for event in last), default=0)
    head, _, published = await store.ends(connection)
    done = Imported(head, top, published)
    if top == 0 and head == 0:
        return done
    if await difference(connection, owner, last) is not None:
        highest = {event.partition: event.position for event in last}
        log = LogInOrder(bootstrap_servers, owner, ranges)
        async with aclosing(log.batches()) as batches:
            appends = Appends({} if leave_out_incomplete else highest, range(len(ranges)))
            overlap = _Overlap(connection, await store.dropped(connection), highest, len(ranges), head)
            await _import(connection, log, batches, overlap, appends, done, told)
    await keep_compared(connection, (await connected_to(connection)).identity)
    return done


async def _import(
    connection: Any,
    log: LogInOrder,
    batches: AsyncGenerator[list[Item], None],
    overlap: "_Overlap",
    appends: Appends,
    done: Imported,
    told: Callable[[int, int], None],
) -> None:
    after, position, prepared = done.before, done.before, False
    async for items in batches:
        _refuse_unreadable(log)
        new = await overlap.check(items)
        if new and not prepared:
            await overlap.end()
            prepared = True
            done.unpublished = overlap.unpublished
            await store.prepare(connection, done.top, overlap.published(done.top))
        for item in new:
            done.lost += item.stored.position - position - 1
            position = item.stored.position
        try:
            after = await _add(connection, after, appends.take(new), done)
        except DamagedTopicError as error:
            raise _damaged(log.owner, error) from None
        told(position, done.top)
    try:
        after = await _add(connection, after, appends.end(), done)
    except DamagedTopicError as error:
        raise _damaged(log.owner, error) from None
    if not prepared:
        await overlap.end()
        await store.prepare(connection, done.top, overlap.published(done.top))


async def _add(connection: Any, after: int, found: Sorted, done: Imported) -> int:
    if not found.whole and not found.dropped:
        return after
    try:
        await store.add(connection, after, found.whole, found.dropped)
    except (store.ChangedMeanwhileError, asyncpg.UniqueViolationError):
        raise RestoreError(
            "somebody wrote to the store meanwhile: stop what does so without asking Kafka first."
        ) from None
    done.events += len(found.whole)
    done.dropped += len(found.dropped)
    return found.whole[-1].stored.position if found.whole else after


class _Overlap:
    """Compares what the store holds already with the topic; nothing is changed before it agrees."""

    def __init__(
        self,
        connection: Any,
        dropped: Mapping[int, Any],
        highest: Mapping[int, int],
        partitions: int,
        head: int,
    ) -> None:
        self._connection = connection
        self._dropped = dropped
        self._highest = highest
        self._partitions = partitions
        self._head = head
        self._compared = 0
        self._first_unpublished: int | None = None
        self.unpublished = 0

    async def check(self, items: list[Item]) -> list[Item]:
        """Compare events at or below the store's end; return those above it."""
        theirs = [item for item in items if item.stored.position <= self._head]
        if theirs:
            await self._compare(theirs, theirs[-1].stored.position)
        return [
            item for item in items[len(theirs) :] if self._dropped.get(item.stored.position) != item.stored.id
        ]

    async def end(self) -> None:
        """Look at what the store holds above the last of them."""
        await self._compare([], self._head)

    def published(self, top: int) -> int:
        """Return up to where Kafka has everything that the store has."""
        return top if self._first_unpublished is None else self._first_unpublished - 1

    async def _compare(self, items: list[Item], up_to: int) -> None:
        ours = await store.stored_between(self._connection, self._compared, up_to)
        self._compared = max(self._compared, up_to)
        wrong: list[int] = []
        for item in items:
            position, id_ = item.stored.position, item.stored.id
            if self._dropped.get(position) == id_:
                continue
            stored = ours.pop(position, None)
            if stored is None or stored[0] != id_:
                wrong.append(position)
        for position, (_, key) in sorted(ours.items()):
            # A partition that goes on behind an event has had it, or never will: relays do not overtake.
            if self._highest.get(partition_for(key, self._partitions), 0) > position:
                wrong.append(position)
            else:
                self.unpublished += 1
                self._first_unpublished = min(self._first_unpublished or position, position)
        if wrong:
            named = ", ".join(map(str, sorted(wrong)[:_NAMED]))
            raise RestoreError(
                f"the store and Kafka hold different events at {len(wrong)} positions ({named}"
                f"{', …' if len(wrong) > _NAMED else ''}): nothing was changed; restore into an empty one."
            )


def _damaged(owner: str, error: DamagedTopicError) -> RestoreError:
    return RestoreError(
        f"in Kafka's topic of {owner} {error}; was it left out by an earlier restore, or can it be missed, "
        f"run ./portal restore {owner} --leave-out-incomplete."
    )


def _refuse_beheaded(ranges: Mapping[Partition, Range]) -> None:
    for (topic, partition), (begin, _) in ranges.items():
        if begin > 0:
            raise RestoreError(f"{topic}/{partition} begins at offset {begin}: its beginning is lost.")


def _refuse_unreadable(log: LogInOrder) -> None:
    if log.unreadable:
        raise RestoreError(f"the record at {log.unreadable[0]} is no event of {log.owner}'s.")
    if log.contradicting:
        raise RestoreError(f"Kafka holds two different events at position {log.contradicting[0]}.")
