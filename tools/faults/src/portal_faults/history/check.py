"""Does the store explain everything that clients were told, in one order that respects real time?

The store's order of facts is the witness: each effect has its place there. What had no effect (a refusal, a
repeat, a read) must find a moment between its request and its answer at which it was right, and no moment
before one that something answered earlier had already seen. If everything finds its place, the history is
linearizable as a whole; where one does not, the finding says what was said and when.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from portal_faults.history.explain import explained_at
from portal_faults.history.fact import Fact
from portal_faults.history.history import History
from portal_faults.history.operation import Kind, Operation, Outcome
from portal_faults.history.timeline import Finding, Timeline, fold

FAILED: Final = "500"
"""What nobody may be told, whatever happens to the portal's parts: 503 says the same in good order."""


@dataclass
class Checked:
    """What was looked at, and what was found."""

    operations: int
    facts: int
    unknown: int
    happened: int
    """Unknown outcomes that did happen."""
    findings: list[Finding]
    timeline: Timeline


@dataclass
class _Caused:
    """Which fact each attempt and each Idempotency-Key made."""

    by_attempt: dict[str, int] = field(default_factory=dict)
    by_key: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)
    """With the instant at which it was asked for."""


def check(history: History, facts: Sequence[Fact]) -> Checked:
    """Return everything that the history and the store's facts contradict each other in."""
    timeline = fold(facts, history.slots)
    caused, findings = _attribute(history.operations, facts)
    failed = (o for o in history.operations if o.outcome is Outcome.UNKNOWN and o.code == FAILED)
    findings = [*timeline.findings, *findings, *(Finding("the portal failed", said(o)) for o in failed)]
    findings += _lost(history.operations, facts, caused, timeline)
    findings += _Order(history, facts, caused, timeline).findings()
    unknown = [o for o in history.operations if o.outcome is Outcome.UNKNOWN]
    return Checked(
        operations=len(history.operations),
        facts=len(facts),
        unknown=len(unknown),
        happened=sum(o.id in caused.by_attempt for o in unknown),
        findings=findings,
        timeline=timeline,
    )


def _attribute(operations: Iterable[Operation], facts: Sequence[Fact]) -> tuple[_Caused, list[Finding]]:
    """Find the attempt behind each fact: there is one, it asked for just this, and it made no other."""
    attempts = {operation.id: operation for operation in operations}
    caused, findings = _Caused(), []
    for moment, fact in enumerate(facts, start=1):
        attempt = attempts.get(fact.request)
        what = f"{fact.kind} of {fact.patient} at position {fact.position}"
        if attempt is None or not _asked_for(attempt, fact):
            findings.append(Finding("an effect that nobody asked for", what))
            continue
        if attempt.id in caused.by_attempt:
            findings.append(Finding("one request happened twice", what))
        if attempt.outcome is Outcome.REFUSED:
            findings.append(Finding("it was refused and happened", f"{what}, refused as {attempt.code}"))
        caused.by_attempt.setdefault(attempt.id, moment)
        if attempt.key is not None:
            key = (attempt.patient, attempt.key)
            first, _ = caused.by_key.setdefault(key, (moment, attempt.invoked_at))
            if first != moment == caused.by_attempt[attempt.id]:
                findings.append(Finding("a repeat happened again", what))
    return caused, findings


def _asked_for(attempt: Operation, fact: Fact) -> bool:
    if (attempt.kind, attempt.patient) != (fact.kind, fact.patient):
        return False
    match fact.kind:
        case Kind.BOOK | Kind.HOLD:
            return attempt.slot == fact.slot
        case Kind.MOVE:
            return (attempt.slot, attempt.appointment) == (fact.slot, fact.appointment)
        case Kind.CANCEL:
            return attempt.appointment == fact.appointment
        case _:
            return attempt.hold == fact.hold


def _lost(
    operations: Iterable[Operation], facts: Sequence[Fact], caused: _Caused, timeline: Timeline
) -> Iterable[Finding]:
    """Find acknowledgements of what the store does not hold, or holds otherwise."""
    for operation in operations:
        if operation.outcome is not Outcome.OK or operation.kind is Kind.READ:
            continue
        moment = _made_by(operation, caused)
        if moment is not None:
            fact = facts[moment - 1]
            there = fact.hold if fact.kind is Kind.HOLD else fact.appointment
            if operation.result not in (None, there):
                yield Finding("acknowledged otherwise than it happened", said(operation))
        elif operation.kind is not Kind.RELEASE and not _known(operation, timeline):
            yield Finding("an acknowledgement is lost", said(operation))


def _known(operation: Operation, timeline: Timeline) -> bool:
    there = operation.result or ""
    return there in timeline.held if operation.kind is Kind.HOLD else there in timeline.places


def _made_by(operation: Operation, caused: _Caused) -> int | None:
    """Return the moment of the fact that an attempt, or an earlier one with its key, made.

    An attempt that found all as it wished made none, nor did it keep its key: a repeat may be decided anew.
    """
    own = caused.by_attempt.get(operation.id)
    if own is None and operation.key is not None:
        moment, asked_at = caused.by_key.get((operation.patient, operation.key), (None, 0.0))
        return moment if asked_at < operation.returned_at else None
    return own


def said(operation: Operation) -> str:
    """Say what was asked and answered, and when, for a person who looks for it in the history."""
    about = operation.slot or operation.appointment or operation.hold or "own visits"
    answer = operation.code or operation.result or operation.outcome.value
    return (
        f"{operation.id}: patient {operation.patient} asked to {operation.kind} {about}, was told {answer}, "
        f"from {operation.invoked_at:.3f} to {operation.returned_at:.3f}"
    )


class _Order:
    """Looks for a place for everything, in the order in which requests were sent."""

    def __init__(self, history: History, facts: Sequence[Fact], caused: _Caused, timeline: Timeline) -> None:
        self._history = history
        self._facts = facts
        self._caused = caused
        self._timeline = timeline
        self._after = [-math.inf] * (len(facts) + 1)
        """When the fact was asked for: not before this it can have happened."""
        self._before = [math.inf] * (len(facts) + 1)
        """When it was acknowledged first: not after this."""
        for operation in history.operations:
            own = caused.by_attempt.get(operation.id)
            if own is not None:
                self._after[own] = operation.invoked_at
            made = _made_by(operation, caused)
            if made is not None and operation.outcome is Outcome.OK:
                self._before[made] = min(self._before[made], operation.returned_at)

    def findings(self) -> list[Finding]:
        """Return what found no place."""
        return [*self._inversions(), *self._unexplained()]

    def _inversions(self) -> Iterable[Finding]:
        """Find facts that stand before one which had been acknowledged when they were asked for."""
        latest = -math.inf
        for moment in range(1, len(self._facts) + 1):
            latest = max(latest, self._after[moment])
            if self._before[moment] < latest:
                fact = self._facts[moment - 1]
                yield Finding(
                    "the store's order contradicts real time",
                    f"{fact.kind} at position {fact.position} is behind what was asked for after its answer",
                )

    def _unexplained(self) -> Iterable[Finding]:
        acknowledged = sorted((at, moment) for moment, at in enumerate(self._before) if at < math.inf)
        times = [at for at, _ in acknowledged]
        highest = _running_max([moment for _, moment in acknowledged])
        asked = sorted((at, moment) for moment, at in enumerate(self._after) if at > -math.inf)
        asked_times = [at for at, _ in asked]
        lowest = _running_max([-moment for _, moment in reversed(asked)])[::-1]
        seen, own = _Seen(), dict[tuple[int, str], int]()
        for operation in sorted(self._history.operations, key=lambda o: o.invoked_at):
            made = _made_by(operation, self._caused)
            if made is not None:
                # An effect has its place, and a repeat is answered as the first one, whatever happened since.
                if operation.outcome is Outcome.OK:
                    told = (operation.client, operation.patient)
                    own[told] = max(made, own.get(told, 0))
                continue
            if operation.outcome is Outcome.UNKNOWN:
                continue
            place = bisect_right(times, operation.invoked_at)
            first = highest[place - 1] if place else 0
            place = bisect_left(asked_times, operation.returned_at)
            last = -lowest[place] - 1 if place < len(lowest) else len(self._facts)
            if operation.kind is Kind.READ:
                # A view follows; but what the client itself was told of the patient, it shows.
                first = own.get((operation.client, operation.patient), 0)
            else:
                first = max(first, seen.by(operation.invoked_at))
            moment = explained_at(self._timeline, operation, self._history.epoch, first, last)
            if moment is None:
                refused = operation.outcome is Outcome.REFUSED
                rule = "a refusal that no moment explains" if refused else "an answer that no moment explains"
                yield Finding(rule, said(operation))
            elif operation.kind is not Kind.READ:
                seen.note(operation.returned_at, moment)


class _Seen:
    """The latest moment that an answer until some instant has shown to somebody; instants only rise."""

    def __init__(self) -> None:
        self._to_come: list[tuple[float, int]] = []
        self._latest = 0

    def note(self, at: float, moment: int) -> None:
        heappush(self._to_come, (at, moment))

    def by(self, at: float) -> int:
        while self._to_come and self._to_come[0][0] <= at:
            self._latest = max(self._latest, heappop(self._to_come)[1])
        return self._latest


def _running_max(values: Sequence[int]) -> list[int]:
    highest: list[int] = []
    for value in values:
        highest.append(max(value, highest[-1]) if highest else value)
    return highest
