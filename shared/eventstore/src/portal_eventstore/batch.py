"""In which order do commands that wait together decide, and which of them stand or fall together?

Pure but for new ids: states come in, ready-made Appends go out, in the order in which they were decided; this
is the order of their positions, too. A command that folded an event of this batch joins that event's group.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from uuid_utils.compat import uuid7

from portal_events.base import Event
from portal_events.stored import Metadata
from portal_eventstore.command import Outcome, Waiting
from portal_eventstore.decision import Criterion, Decision, Refusal
from portal_eventstore.store import MAX_EVENT_BYTES, Append, NewEvent, Query, Verdict

Key = tuple[int, tuple[Criterion, ...]]
"""A boundary as one kind of decision folds it: the decision's identity and what it selects."""


@dataclass(slots=True)
class Base:
    """A boundary's state as the store had it: everything up to `after`."""

    state: Any
    after: int


@dataclass(slots=True)
class _Folded:
    """A boundary's state with this batch's events below `seen` folded in; `group` is theirs, -1 for none."""

    evolve: Callable[[Any, Event], Any]
    state: Any
    seen: int = 0
    group: int = -1


@dataclass(slots=True)
class _Answer:
    """What a command will hear once its group is committed; its events are the log's from number `first`."""

    waiting: Waiting
    group: int
    first: int
    events: tuple[Event, ...]
    new: tuple[NewEvent, ...]
    unless: tuple[Query, ...]
    state: Any
    refusal: Refusal | None


class Batch:
    """Decides commands one after another and sorts them into groups."""

    def __init__(self, bases: dict[Key, Base]) -> None:
        """Take the state of every boundary that the commands to come will need."""
        self._bases = bases
        self._folded: dict[Key, _Folded] = {}
        self._answers: list[_Answer] = []
        self._log: list[tuple[Event, str, int]] = []
        self._by_tag: dict[str, list[int]] = {}
        self._parents: list[int] = []
        self._positions: dict[int, int] = {}
        self._vouched: set[Query] = set()

    def add(self, waiting: Waiting, *, unless: Sequence[Query] = ()) -> bool:
        """Decide one command; False when it has to wait for the next batch.

        Refusals that rest on committed facts alone are answered at once; everything else after the append.
        """
        if waiting.decision is None:
            return self._add_ready(waiting)
        key = (id(waiting.decision), waiting.boundary)
        folded = self._fold(key, waiting.decision)
        refusal: Refusal | None = None
        events: tuple[Event, ...] = ()
        try:
            events = tuple(waiting.decide(folded.state))
        except Refusal as no:
            refusal = no
        conditions = (Query(waiting.boundary, self._bases[key].after), *unless)
        if events or folded.group >= 0:
            self._join(folded.group, waiting, events, conditions, folded.state, refusal)
        elif refusal is not None:
            _refuse(waiting, refusal)
        else:
            _tell(waiting, Outcome((), (), (), folded.state))
        return True

    def appends(self) -> list[Append]:
        """Return one Append a command, in order; settle() takes the verdicts in this order."""
        asked: set[tuple[int, Query]] = set()
        appends = []
        for answer in self._answers:
            group = self._root(answer.group)
            # A condition that several commands of a group share is checked once.
            unless = tuple(query for query in answer.unless if (group, query) not in asked)
            asked.update((group, query) for query in unless)
            appends.append(Append(answer.new, unless, group))
        return appends

    def settle(self, verdicts: Sequence[Verdict]) -> list[Waiting]:
        """Answer the accepted commands and return the stale ones."""
        stale: list[Waiting] = []
        for answer, positions in zip(self._answers, verdicts, strict=True):
            if positions is None:
                stale.append(answer.waiting)
                continue
            self._positions.update(enumerate(positions, answer.first))
            self._vouched.update(answer.unless)
            if answer.refusal is not None:
                _refuse(answer.waiting, answer.refusal)
            else:
                ids = tuple(new.id for new in answer.new)
                _tell(answer.waiting, Outcome(answer.events, ids, positions, answer.state))
        return stale

    def states(self) -> dict[Key, Base]:
        """Return, once settled, the boundaries whose state after this batch is known without reading it.

        An accepted condition vouches that nothing else came in between; what this batch added is known.
        """
        known: dict[Key, Base] = {}
        for key, folded in self._folded.items():
            numbers = self._matching(key[1], 0)
            added = [number for number in numbers if number in self._positions]
            split = bisect_left(numbers, folded.seen)
            if (
                added
                and added[:split] == numbers[:split]
                and Query(key[1], self._bases[key].after) in self._vouched
            ):
                state = folded.state
                for number in added[split:]:
                    state = folded.evolve(state, self._log[number][0])
                known[key] = Base(state, self._positions[added[-1]])
        return known

    def _add_ready(self, waiting: Waiting) -> bool:
        # Whether an event of this batch will stand against the condition is known after the append only.
        if any(self._matching(query.criteria, 0) for query in waiting.unless):
            return False
        self._join(-1, waiting, tuple(waiting.decide(None)), waiting.unless, None, None)
        return True

    def _fold(self, key: Key, decision: Decision[Any, Any]) -> _Folded:
        folded = self._folded.get(key)
        if folded is None:
            folded = self._folded[key] = _Folded(decision.evolve, self._bases[key].state)
        if folded.seen < len(self._log):
            for number in self._matching(key[1], folded.seen):
                event, _, group = self._log[number]
                folded.state = folded.evolve(folded.state, event)
                folded.group = self._union(folded.group, group)
            folded.seen = len(self._log)
        return folded

    def _matching(self, criteria: Sequence[Criterion], start: int) -> list[int]:
        """Return the numbers of this batch's events, from `start`, that the criteria select."""
        found: set[int] = set()
        for criterion in criteria:
            if numbers := self._by_tag.get(criterion.tag):
                later = numbers[bisect_left(numbers, start) :]
                found.update(n for n in later if not criterion.types or self._log[n][1] in criterion.types)
        return sorted(found)

    def _join(
        self,
        group: int,
        waiting: Waiting,
        events: tuple[Event, ...],
        unless: tuple[Query, ...],
        state: Any,
        refusal: Refusal | None,
    ) -> None:
        new = _encode(waiting, events)
        if group < 0:
            group = len(self._parents)
            self._parents.append(group)
        answer = _Answer(waiting, group, len(self._log), events, new, unless, state, refusal)
        self._answers.append(answer)
        for event, stored in zip(events, new, strict=True):
            for tag in stored.tags:
                self._by_tag.setdefault(tag, []).append(len(self._log))
            self._log.append((event, stored.type, group))

    def _union(self, one: int, other: int) -> int:
        other = self._root(other)
        if one < 0:
            return other
        one = self._root(one)
        self._parents[other] = one
        return one

    def _root(self, group: int) -> int:
        while self._parents[group] != group:
            group = self._parents[group]
        return group


def _encode(waiting: Waiting, events: Sequence[Event]) -> tuple[NewEvent, ...]:
    """Seal and write events; their ids are made here, once, whatever happens to the connection."""
    context = waiting.context
    # The first event's id serves as the append's.
    ids = [uuid7() for _ in events]
    new = []
    for event_id, event in zip(ids, events, strict=True):
        data = event.sealed(event_id=event_id, key=context.key).model_dump_json(by_alias=True)
        # A character takes one to four bytes: only long texts need counting.
        if 4 * len(data) > MAX_EVENT_BYTES and len(data.encode()) > MAX_EVENT_BYTES:
            raise ValueError(f"{type(event).__name__} is larger than {MAX_EVENT_BYTES} bytes")
        tags = sorted(event.tags())
        _require_tags(tags)
        if context.request is not None:
            tags.append(context.request.tag)
        metadata = Metadata(
            subject=event.subject,
            actor=context.actor,
            correlation_id=context.correlation_id,
            append_id=ids[0],
            append_size=len(events),
            # What nothing earlier caused was caused by the request itself.
            causation_id=context.causation_id or context.correlation_id,
            request_hash=None if context.request is None else context.request.body_hash,
            traceparent=context.traceparent,
        )
        new.append(
            NewEvent(event_id, type(event).__name__, event.VERSION, tuple(tags), data, context.time, metadata)
        )
    return tuple(new)


def _require_tags(tags: list[str]) -> None:
    """Refuse what the store and the wire, which separate tags by spaces, could not carry."""
    joined = "".join(tags)
    if " " in joined or not joined.isascii() or not joined.isprintable():
        raise ValueError("a tag is printable ASCII without spaces")


def _tell(waiting: Waiting, outcome: Outcome[Any]) -> None:
    if not waiting.future.done():
        waiting.future.set_result(outcome)


def _refuse(waiting: Waiting, refusal: Refusal) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(refusal)
