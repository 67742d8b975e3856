"""What was booked and held at every moment, as the store has it, and was any of it forbidden?

A moment is a place in the order of the facts: 0 before the first, n after the n-th.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from portal_faults.history.fact import Fact
from portal_faults.history.operation import Kind, Slot

NEVER: Final = math.inf
LIMIT: Final = 10
MOST_HOLDS: Final = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken promise: which, and what shows it."""

    rule: str
    what: str


@dataclass(slots=True)
class Stay:
    """Somebody's hold or visit in one slot, from one moment until before another.

    `id`: of the hold or the appointment. `expires_at`: of a hold, which nothing is written for.
    """

    id: str
    patient: str
    slot: str
    since: int
    until: float = NEVER
    expires_at: float = NEVER

    def lives(self, moment: float) -> bool:
        """Say whether it is there then, but for the clock."""
        return self.since <= moment < self.until


@dataclass
class Timeline:
    """Stays by slot, by appointment and by hold, and each patient's visits after each change."""

    slots: Mapping[str, Slot]
    visits: dict[str, list[Stay]] = field(default_factory=lambda: defaultdict(list))
    holds: dict[str, list[Stay]] = field(default_factory=lambda: defaultdict(list))
    places: dict[str, list[Stay]] = field(default_factory=lambda: defaultdict(list))
    held: dict[str, Stay] = field(default_factory=dict)
    cancelled: dict[str, int] = field(default_factory=dict)
    stood: dict[str, list[tuple[int, frozenset[str]]]] = field(default_factory=lambda: defaultdict(list))
    holds_of: dict[str, list[Stay]] = field(default_factory=lambda: defaultdict(list))
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Work out which slots share time: what a slot is compared with."""
        by_start = sorted(self.slots.values(), key=lambda slot: slot.starts_at)
        self.beside: dict[str, list[str]] = {slot: [slot] for slot in self.slots}
        for number, slot in enumerate(by_start):
            for other in by_start[number + 1 :]:
                if other.starts_at >= slot.ends_at:
                    break
                self.beside[slot.slot].append(other.slot)
                self.beside[other.slot].append(slot.slot)

    def standing(self) -> Iterator[Stay]:
        """Return the visits that stand at the end."""
        return (stay for stays in self.places.values() for stay in stays if stay.until == NEVER)

    def visits_beside(self, slot: str, first: int, last: int) -> Iterator[Stay]:
        """Return visits that share a slot's time, at any address and with any doctor, and live in between."""
        for other in self.beside.get(slot, ()):
            stays = self.visits.get(other, [])
            for stay in reversed(stays[: bisect_right(stays, last, key=lambda stay: stay.since)]):
                if stay.until <= first:
                    # A slot's visits follow each other: what is older had ended before.
                    break
                yield stay

    def holds_beside(self, slot: str, first: int, last: int, alive_at: float) -> Iterator[Stay]:
        """Return the holds that share a slot's time and live in between, by the clock as well."""
        for other in self.beside.get(slot, ()):
            stays = self.holds.get(other, [])
            for stay in reversed(stays[: bisect_right(stays, last, key=lambda stay: stay.since)]):
                if stay.expires_at <= alive_at:
                    break
                if stay.until > first:
                    yield stay

    def of_doctor(self, stay: Stay, slot: str) -> bool:
        """Say whether a stay takes the time of the slot's doctor."""
        return self.slots[stay.slot].doctor == self.slots[slot].doctor

    def own(self, patient: str, moment: int) -> frozenset[str]:
        """Return the appointments of a patient that stand at a moment."""
        steps = self.stood.get(patient, [])
        place = bisect_right(steps, moment, key=lambda step: step[0])
        return steps[place - 1][1] if place else frozenset()

    def changes_of(self, patient: str, first: int, last: int) -> list[int]:
        """Return the moments, `first` and `last` included, at which a patient's visits changed."""
        steps = self.stood.get(patient, [])
        since = bisect_left(steps, first, key=lambda step: step[0])
        return [moment for moment, _ in steps[since : bisect_right(steps, last, key=lambda step: step[0])]]


def fold(facts: Sequence[Fact], slots: Mapping[str, Slot]) -> Timeline:
    """Replay the facts; the timeline's findings are what must never have been written."""
    timeline = Timeline(slots)
    ids = set()
    for moment, fact in enumerate(facts, start=1):
        if fact.id in ids:
            timeline.findings.append(Finding("an event is there twice", fact.id))
        ids.add(fact.id)
        if fact.slot is not None and fact.slot not in slots:
            timeline.findings.append(Finding("a slot that nobody offered", f"{fact.slot}, {_at(fact)}"))
            continue
        _APPLY[fact.kind](timeline, fact, moment)
    return timeline


def _at(fact: Fact) -> str:
    return f"{fact.kind} at position {fact.position}"


def _book(timeline: Timeline, fact: Fact, moment: int) -> None:
    appointment, slot = _needed(fact.appointment), _needed(fact.slot)
    if timeline.places.get(appointment):
        timeline.findings.append(Finding("an appointment is booked twice", f"{appointment}, {_at(fact)}"))
    own = timeline.own(fact.patient, moment)
    if len(own) >= LIMIT:
        timeline.findings.append(Finding("over the booking limit", f"{fact.patient}, {_at(fact)}"))
    _take(timeline, fact, slot, moment, besides=None)
    timeline.stood[fact.patient].append((moment, own | {appointment}))
    _visit(timeline, fact, moment)


def _move(timeline: Timeline, fact: Fact, moment: int) -> None:
    stay = _current(timeline, fact)
    if stay is None:
        timeline.findings.append(Finding("what does not stand was moved", _at(fact)))
        own = timeline.own(fact.patient, moment)
        timeline.stood[fact.patient].append((moment, own | {_needed(fact.appointment)}))
    else:
        if stay.slot != fact.before:
            timeline.findings.append(Finding("moved from where it was not", _at(fact)))
        stay.until = moment
    _take(timeline, fact, _needed(fact.slot), moment, besides=fact.appointment)
    _visit(timeline, fact, moment)


def _cancel(timeline: Timeline, fact: Fact, moment: int) -> None:
    stay = _current(timeline, fact)
    if stay is None:
        timeline.findings.append(Finding("what does not stand was cancelled", _at(fact)))
        return
    if stay.slot != fact.before:
        timeline.findings.append(Finding("cancelled where it was not", _at(fact)))
    stay.until = moment
    timeline.cancelled[stay.id] = moment
    own = timeline.own(fact.patient, moment)
    timeline.stood[fact.patient].append((moment, own - {stay.id}))


def _hold(timeline: Timeline, fact: Fact, moment: int) -> None:
    hold, slot = _needed(fact.hold), _needed(fact.slot)
    own = [s for s in timeline.holds_of[fact.patient] if s.until == NEVER and s.expires_at > fact.time]
    if len(own) >= MOST_HOLDS:
        timeline.findings.append(Finding("over the limit of holds", f"{fact.patient}, {_at(fact)}"))
    _take(timeline, fact, slot, moment, besides=None)
    stay = Stay(hold, fact.patient, slot, moment, expires_at=fact.expires_at or NEVER)
    if hold in timeline.held:
        timeline.findings.append(Finding("a hold is there twice", f"{hold}, {_at(fact)}"))
    timeline.held[hold] = stay
    timeline.holds[slot].append(stay)
    timeline.holds_of[fact.patient].append(stay)


def _release(timeline: Timeline, fact: Fact, moment: int) -> None:
    stay = timeline.held.get(_needed(fact.hold))
    if stay is None or stay.until != NEVER or stay.patient != fact.patient:
        timeline.findings.append(Finding("what is not held was given back", _at(fact)))
        return
    stay.until = moment


def _take(timeline: Timeline, fact: Fact, slot: str, moment: int, *, besides: str | None) -> None:
    """Look for whom this fact gets in the way of, then end the hold that it uses."""
    holding = fact.kind is Kind.HOLD
    for stay in timeline.visits_beside(slot, moment, moment):
        if stay.id == besides:
            continue
        if timeline.of_doctor(stay, slot):
            timeline.findings.append(
                Finding("a doctor is booked twice at a time", f"{stay.id} stands, {_at(fact)}")
            )
        elif stay.patient == fact.patient:
            rule = "a patient holds where a visit is" if holding else "a patient is at two visits at a time"
            timeline.findings.append(Finding(rule, f"{stay.id} stands, {_at(fact)}"))
    for stay in timeline.holds_beside(slot, moment, moment, fact.time):
        if stay.patient != fact.patient and timeline.of_doctor(stay, slot):
            timeline.findings.append(
                Finding("another's hold was not respected", f"{stay.id} is held, {_at(fact)}")
            )
    if fact.hold is not None and not holding:
        used = timeline.held.get(fact.hold)
        if used is None or used.until != NEVER or (used.patient, used.slot) != (fact.patient, slot):
            timeline.findings.append(Finding("a hold was used that is none", f"{fact.hold}, {_at(fact)}"))
        else:
            used.until = moment


def _visit(timeline: Timeline, fact: Fact, moment: int) -> None:
    stay = Stay(_needed(fact.appointment), fact.patient, _needed(fact.slot), moment)
    timeline.visits[stay.slot].append(stay)
    timeline.places[stay.id].append(stay)


def _current(timeline: Timeline, fact: Fact) -> Stay | None:
    stays = timeline.places.get(_needed(fact.appointment))
    if not stays or stays[-1].until != NEVER or stays[-1].patient != fact.patient:
        return None
    return stays[-1]


def _needed(value: str | None) -> str:
    if value is None:
        raise ValueError("a fact without the id that its kind has")
    return value


_APPLY: Final = {
    Kind.BOOK: _book,
    Kind.MOVE: _move,
    Kind.CANCEL: _cancel,
    Kind.HOLD: _hold,
    Kind.RELEASE: _release,
}
