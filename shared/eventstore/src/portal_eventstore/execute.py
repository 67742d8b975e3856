"""How does a command become events: fast, fair and exactly once?

Commands that wait at the same moment are taken together: one read of all their boundaries, decisions one
after another on the state just computed (batch.py), one append. Stale ones are decided again on fresh facts,
with jitter, and after a few rounds under the append lock, so that a hot boundary starves nobody.
"""

import asyncio
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any, TypeVar

from portal_events.base import Event, decode
from portal_events.stored import StoredEvent
from portal_eventstore.batch import Base, Batch, Key
from portal_eventstore.command import Context, Outcome, Waiting
from portal_eventstore.decision import (
    ConditionFailed,
    Criterion,
    Decision,
    IdempotencyKeyReused,
    StoreUnavailable,
)
from portal_eventstore.store import Append, EventStore, Found, Query, Session, Verdict

C = TypeVar("C")
S = TypeVar("S")

REPEAT_WINDOW = timedelta(hours=24)
"""For how long an Idempotency-Key is remembered (the public API's promise)."""

_QUEUE_LIMIT = 10_000
_LOOK_AHEAD = 512
_WORTH_SHARING = 8
"""So many waiting commands are shared among batches, so that there is a next one while the first commits."""

_BATCHES_UNDER_WAY = 2
"""While PostgreSQL commits one batch, the next is decided and written; more would only wait for the lock."""

_OPTIMISTIC_ROUNDS = 3
_MOST_ROUNDS = 10
_JITTER_SECONDS = 0.002
# A doctor's day of 60 slots takes some 80 kB when it is decoded: together at most a few hundred MB.
_CACHED_BOUNDARIES = 2_000
_CACHED_EVENTS = 2_000


_OpenSession = Callable[[], AbstractAsyncContextManager[Session]]


@dataclass(slots=True)
class Tally:
    """What a decider has done so far: batches and events appended, decisions made again on fresh facts."""

    batches: int = 0
    events: int = 0
    stale: int = 0


class Decider:
    """Executes commands against one store. One a process: what it coalesces never competes with itself."""

    def __init__(self, store: EventStore, *, max_batch: int = 128) -> None:
        """Decide at most `max_batch` commands in one append."""
        self.tally = Tally()
        self._store = store
        self._max_batch = max_batch
        self._queue: deque[Waiting] = deque()
        self._cache: OrderedDict[Key, tuple[Decision[Any, Any], Base]] = OrderedDict()
        self._busy: set[str] = set()
        self._written: set[str] = set()
        self._decoded: OrderedDict[int, Event] = OrderedDict()
        self._generation = store.generation
        self._under_way: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._closed = False

    async def execute(self, decision: Decision[C, S], command: C, context: Context) -> Outcome[S]:
        """Carry out one command; raises its Refusal, or StoreUnavailable when the store cannot take it.

        With a request in the context, a repeat within 24 hours is answered from its own events, and the same
        key with another body is IdempotencyKeyReused.
        """
        return await self._enqueue(
            Waiting(
                context=context,
                future=asyncio.get_running_loop().create_future(),
                decide=lambda state: decision.decide(command, state),
                decision=decision,
                boundary=tuple(decision.boundary(command)),
            )
        )

    async def append(
        self, events: Sequence[Event], context: Context, unless: Sequence[Query] = ()
    ) -> Outcome[None]:
        """Append ready-made events, unless something matches; then raises ConditionFailed."""
        if not events:
            raise ValueError("no events to append")
        return await self._enqueue(
            Waiting(
                context=context,
                future=asyncio.get_running_loop().create_future(),
                decide=lambda _: events,
                decision=None,
                boundary=(),
                unless=tuple(unless),
            )
        )

    async def close(self) -> None:
        """Take no more commands and finish those that wait."""
        self._closed = True
        while self._queue or self._under_way:
            self._pump()
            await asyncio.wait(self._under_way)

    async def _enqueue(self, waiting: Waiting) -> Outcome[Any]:
        if self._closed or len(self._queue) >= _QUEUE_LIMIT:
            raise StoreUnavailable
        self._queue.append(waiting)
        self._schedule()
        return await waiting.future

    def _schedule(self) -> None:
        # Not at once: whoever becomes ready in this turn of the loop joins the batch.
        if not self._scheduled and len(self._under_way) < _BATCHES_UNDER_WAY:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._scheduled = False
        while len(self._under_way) < _BATCHES_UNDER_WAY and (batch := self._take()):
            task = asyncio.create_task(self._commit(batch))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            task.add_done_callback(lambda _: self._schedule())

    def _take(self) -> list[Waiting]:
        """Take what may be decided now: nothing that a batch under way could stand in the way of."""
        most = self._max_batch
        if len(self._queue) >= _WORTH_SHARING:
            most = min(most, ceil(len(self._queue) / (_BATCHES_UNDER_WAY - len(self._under_way))))
        batch: list[Waiting] = []
        kept: list[Waiting] = []
        while self._queue and len(batch) < most and len(kept) < _LOOK_AHEAD:
            command = self._queue.popleft()
            free = self._busy.isdisjoint(command.contended(self._written))
            (batch if free else kept).append(command)
        self._queue.extendleft(reversed(kept))
        return batch

    async def _commit(self, batch: list[Waiting]) -> None:
        """Decide and append; whatever happens, every command is answered or back in the queue."""
        tags = {tag for command in batch for tag in command.contended(self._written)}
        self._busy |= tags
        try:
            hot = [w for w in batch if w.rounds >= _OPTIMISTIC_ROUNDS]
            await self._attempt(
                [w for w in batch if w.rounds < _OPTIMISTIC_ROUNDS], lambda: nullcontext(self._store)
            )
            await self._attempt(hot, self._store.exclusive)
        except asyncio.CancelledError:
            _fail(batch, StoreUnavailable())
            raise
        finally:
            self._busy -= tags

    async def _attempt(self, waiting: list[Waiting], session: _OpenSession) -> None:
        waiting = [w for w in waiting if not w.future.done()]
        if not waiting:
            return
        try:
            async with session() as opened:
                stale = await self._decide(opened, waiting)
        except StoreUnavailable as error:
            _fail(waiting, error)
        except Exception as error:  # noqa: BLE001  one bad command must not fail the others
            if len(waiting) == 1:
                _fail(waiting, error)
                return
            middle = len(waiting) // 2
            await self._attempt(waiting[:middle], session)
            await self._attempt(waiting[middle:], session)
        else:
            await self._again(stale)

    async def _decide(self, session: Session, waiting: list[Waiting]) -> list[Waiting]:
        """Read, decide, append; returns the commands to decide again."""
        generation = self._store.generation
        if generation != self._generation:
            self._forget(generation)
        bases, requests = await self._read(session, waiting)
        batch = Batch(bases)
        later: list[Waiting] = []
        for command in waiting:
            request = command.context.request
            if request is None:
                accepted = batch.add(command)
            elif request.tag not in requests:
                # Its twin is in this very batch: the next one will find the twin's events.
                accepted = False
            else:
                stored, after = requests.pop(request.tag)
                first = [e for e in stored if command.context.time - e.time < REPEAT_WINDOW]
                if first:
                    self._answer_repeat(command, first)
                    continue
                accepted = batch.add(command, unless=(Query((Criterion(request.tag),), after),))
            if not accepted:
                later.append(command)
        appends = batch.appends()
        self._written.update(new.type for append in appends for new in append.events)
        stale = batch.settle(await self._append(session, appends)) if appends else []
        self._require_same(generation)
        for key, base in batch.states().items():
            self._remember(key, self._cache[key][0], base)
        for command in stale:
            command.rounds += 1
        self._queue.extendleft(reversed(later))
        return stale

    async def _append(self, session: Session, appends: Sequence[Append]) -> list[Verdict]:
        verdicts = await session.append(appends)
        self.tally.batches += 1
        self.tally.events += sum(len(positions) for positions in verdicts if positions is not None)
        self.tally.stale += verdicts.count(None)
        return verdicts

    async def _again(self, stale: list[Waiting]) -> None:
        for command in stale:
            if command.decision is None:
                _fail([command], ConditionFailed())
            elif command.rounds >= _MOST_ROUNDS:
                _fail([command], StoreUnavailable())
            else:
                self._queue.appendleft(command)
        if stale:
            # The first time at once; rivals that meet again are spread.
            patience = max(command.rounds for command in stale) - 1
            await asyncio.sleep(patience * random.uniform(0, _JITTER_SECONDS))  # noqa: S311  no secret

    async def _read(
        self, session: Session, waiting: Sequence[Waiting]
    ) -> tuple[dict[Key, Base], dict[str, tuple[list[StoredEvent], int]]]:
        """Read every boundary, as far as it is not known, and every request's events, from one snapshot.

        The cache holds what was read, or committed under a condition that vouches for it. What came after is
        read each time: an answer without events meets no condition that would tell that its state was old.
        """
        decisions: dict[Key, Decision[Any, Any]] = {
            (id(w.decision), w.boundary): w.decision for w in waiting if w.decision is not None
        }
        tags = list(dict.fromkeys(w.context.request.tag for w in waiting if w.context.request is not None))
        if not decisions and not tags:
            return {}, {}
        known = {
            key: self._cache[key][1] if key in self._cache else Base(decision.initial, 0)
            for key, decision in decisions.items()
        }
        generation = self._store.generation
        queries = [Query(key[1], base.after) for key, base in known.items()]
        answers = await session.read([*queries, *(Query((Criterion(tag),)) for tag in tags)])
        self._require_same(generation)
        bases: dict[Key, Base] = {}
        for (key, decision), found in zip(decisions.items(), answers, strict=False):
            state, after = known[key].state, known[key].after
            for row in found:
                state = decision.evolve(state, self._decode(row))
                after = row.position
            bases[key] = Base(state, after)
            self._remember(key, decision, bases[key])
        asked = dict(zip(tags, answers[len(queries) :], strict=True))
        repeated = [tag for tag, found in asked.items() if found]
        loaded = await self._store.load([Query((Criterion(t),)) for t in repeated]) if repeated else []
        stored = dict(zip(repeated, loaded, strict=True))
        return bases, {
            tag: (stored.get(tag, []), found[-1].position if found else 0) for tag, found in asked.items()
        }

    def _forget(self, generation: int) -> None:
        """Drop what was known of a store that another has replaced: it may hold other events, or fewer."""
        self._cache.clear()
        self._decoded.clear()
        self._generation = generation

    def _require_same(self, generation: int) -> None:
        if self._store.generation != generation:
            raise StoreUnavailable

    def _decode(self, found: Found) -> Event:
        # The same day of a doctor is read for every patient who books on it.
        event = self._decoded.get(found.position)
        if event is None:
            event = decode(self._store.owner, found.type, found.version, found.data)
            self._decoded[found.position] = event
            if len(self._decoded) > _CACHED_EVENTS:
                self._decoded.popitem(last=False)
        return event

    def _remember(self, key: Key, decision: Decision[Any, Any], base: Base) -> None:
        # The decision is kept beside the state, so that its identity in the key cannot be taken by another.
        self._cache[key] = (decision, base)
        self._cache.move_to_end(key)
        if len(self._cache) > _CACHED_BOUNDARIES:
            self._cache.popitem(last=False)

    def _answer_repeat(self, command: Waiting, stored: Sequence[StoredEvent]) -> None:
        request = command.context.request
        if request is not None and any(e.metadata.request_hash != request.body_hash for e in stored):
            _fail([command], IdempotencyKeyReused())
        elif not command.future.done():
            command.future.set_result(
                Outcome(
                    events=tuple(e.decode() for e in stored),
                    ids=tuple(e.id for e in stored),
                    positions=tuple(e.position for e in stored),
                    state=None,
                    repeated=True,
                )
            )


def _fail(commands: Sequence[Waiting], error: Exception) -> None:
    for command in commands:
        if not command.future.done():
            command.future.set_exception(error)
