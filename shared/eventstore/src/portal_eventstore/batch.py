"""In which order do commands that wait together decide, and which of them stand or fall together?

Pure but for new ids: states come in, ready-made Appends go out. A command that folded an event of this batch
depends on it, and joins its group; a group is one Append, so that a stale condition of one takes all.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from uuid_utils.compat import uuid7

from portal_events.base import Event
from portal_events.stored import Metadata
from portal_eventstore.command import Outcome, Waiting
from portal_eventstore.decision import Criterion, Refusal
from portal_eventstore.store import MAX_EVENT_BYTES, Append, NewEvent, Query, Verdict

Key = tuple[int, tuple[Criterion, ...]]
"""A boundary as one kind of decision folds it: the decision's identity and what it selects."""


@dataclass(slots=True)
class Base:
    """A boundary's state as it was read: everything up to `after`, nothing of this batch."""

    state: Any
    after: int


@dataclass(slots=True)
class _Folded:
    """A boundary's state with this batch's events below `seen` folded in; `group` is theirs, -1 for none."""

    state: Any
    seen: int
    group: int


@dataclass(slots=True)
class _Answer:
    """What a command will hear once its group is committed."""

    waiting: Waiting
    events: tuple[Event, ...]
    new: tuple[NewEvent, ...]
    state: Any
    refusal: Refusal | None


@dataclass(slots=True)
class _Group:
    answers: list[_Answer] = field(default_factory=list)
    unless: dict[Query, None] = field(default_factory=dict)


class Batch:
    """Decides commands one after another and sorts them into groups."""

    def __init__(self, bases: dict[Key, Base]) -> None:
        """Take the state of every boundary that the commands to come will need."""
        self._bases = bases
        self._folded: dict[Key, _Folded] = {}
        self._log: list[tuple[Event, str, int]] = []
        self._by_tag: dict[str, list[int]] = {}
        self._parents: list[int] = []
        self._groups: dict[int, _Group] = {}

    def add(self, waiting: Waiting, *, unless: Sequence[Query] = ()) -> bool:
        """Decide one command; False when it has to wait for the next batch.

        Refusals that rest on committed facts alone are answered at once; everything else after the append.
        """
        if waiting.decision is None:
            return self._add_ready(waiting)
        key = (id(waiting.decision), waiting.boundary)
        base = self._bases[key]
        folded = self._fold(key, base, waiting)
        refusal: Refusal | None = None
        events: tuple[Event, ...] = ()
        try:
            events = tuple(waiting.decide(folded.state))
        except Refusal as no:
            refusal = no
        if not events and folded.group < 0:
            _tell(_Answer(waiting, (), (), folded.state, refusal), ())
            return True
        conditions = (Query(waiting.boundary, base.after), *unless)
        self._join(folded.group, waiting, events, conditions, folded.state, refusal)
        return True

    def appends(self) -> list[Append]:
        """Return one Append a group; settle() takes the verdicts in this order."""
        return [
            Append(tuple(new for a in group.answers for new in a.new), tuple(group.unless))
            for group in self._groups.values()
        ]

    def settle(self, verdicts: Sequence[Verdict]) -> list[Waiting]:
        """Answer the accepted groups and return the commands of the stale ones."""
        stale: list[Waiting] = []
        for group, verdict in zip(self._groups.values(), verdicts, strict=True):
            if verdict is None:
                stale += (a.waiting for a in group.answers)
                continue
            taken = 0
            for answer in group.answers:
                _tell(answer, verdict[taken : taken + len(answer.new)])
                taken += len(answer.new)
        return stale

    def _add_ready(self, waiting: Waiting) -> bool:
        # Whether an event of this batch will stand against the condition is known after the append only.
        if any(self._matching(query.criteria, 0) for query in waiting.unless):
            return False
        self._join(-1, waiting, tuple(waiting.decide(None)), waiting.unless, None, None)
        return True

    def _fold(self, key: Key, base: Base, waiting: Waiting) -> _Folded:
        folded = self._folded.get(key)
        if folded is None:
            folded = self._folded[key] = _Folded(base.state, 0, -1)
        if folded.seen < len(self._log):
            assert waiting.decision is not None  # noqa: S101  only decisions have boundaries to fold
            for number in self._matching(waiting.boundary, folded.seen):
                event, _, group = self._log[number]
                folded.state = waiting.decision.evolve(folded.state, event)
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
        unless: Sequence[Query],
        state: Any,
        refusal: Refusal | None,
    ) -> None:
        new = _encode(waiting, events)
        if group < 0:
            group = len(self._parents)
            self._parents.append(group)
            self._groups[group] = _Group()
        group = self._root(group)
        self._groups[group].answers.append(_Answer(waiting, events, new, state, refusal))
        self._groups[group].unless.update(dict.fromkeys(unless))
        for event, stored in zip(events, new, strict=True):
            number = len(self._log)
            self._log.append((event, stored.type, group))
            for tag in stored.tags:
                self._by_tag.setdefault(tag, []).append(number)

    def _union(self, one: int, other: int) -> int:
        if one < 0:
            return self._root(other)
        one, other = sorted((self._root(one), self._root(other)))
        if one != other:
            self._parents[other] = one
            merged = self._groups.pop(other)
            self._groups[one].answers += merged.answers
            self._groups[one].unless.update(merged.unless)
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


def _tell(answer: _Answer, positions: tuple[int, ...]) -> None:
    future = answer.waiting.future
    if future.done():
        return
    if answer.refusal is not None:
        future.set_exception(answer.refusal)
    else:
        future.set_result(
            Outcome(answer.events, tuple(new.id for new in answer.new), positions, answer.state)
        )
