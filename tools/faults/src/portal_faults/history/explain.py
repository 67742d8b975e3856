"""At which moment was an answer right that changed nothing?

The rules are written a second time, not taken from booking: what refuses a slot first is the hold that the
request relies on, then the doctor's time, then the patient's, then the limits. A hold also ends by the clock:
an answer may have been decided at any instant between request and answer.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from portal_faults.history.operation import Kind, Operation, Outcome
from portal_faults.history.timeline import LIMIT, MOST_HOLDS, NEVER, Stay, Timeline


@dataclass(frozen=True, slots=True)
class _Asked:
    """An operation, to be placed from `first` to `last`; `asked`, `told` are in seconds since 1970."""

    timeline: Timeline
    operation: Operation
    asked: float
    told: float
    first: int
    last: int

    def in_the_way(self) -> Iterator[Stay]:
        """Return visits that share the slot's time, but for the one that is to be moved."""
        slot = self.operation.slot or ""
        stays = self.timeline.visits_beside(slot, self.first, self.last)
        return (stay for stay in stays if stay.id != self.operation.appointment)

    def held(self) -> Iterator[Stay]:
        """Return others' holds of the doctor's time."""
        slot = self.operation.slot or ""
        for stay in self.timeline.holds_beside(slot, self.first, self.last, self.asked):
            if stay.patient != self.operation.patient and self.timeline.of_doctor(stay, slot):
                yield stay

    def doctor_busy(self, moment: int) -> bool:
        """Say whether the doctor may have been found busy."""
        return self._doctor_visited(moment) or any(stay.lives(moment) for stay in self.held())

    def doctor_free(self, moment: int) -> bool:
        """Say whether the doctor may have been found free: holds may have lapsed until the answer."""
        surely_held = any(stay.lives(moment) and stay.expires_at > self.told for stay in self.held())
        return not surely_held and not self._doctor_visited(moment)

    def patient_busy(self, moment: int) -> bool:
        """Say whether the patient had another visit at the time."""
        return any(
            stay.lives(moment) and stay.patient == self.operation.patient for stay in self.in_the_way()
        )

    def _doctor_visited(self, moment: int) -> bool:
        slot = self.operation.slot or ""
        return any(stay.lives(moment) and self.timeline.of_doctor(stay, slot) for stay in self.in_the_way())

    def stands_in(self, moment: int) -> Stay | None:
        """Return where the appointment of the answer stood."""
        stays = self.timeline.places.get(self.operation.result or self.operation.appointment or "", [])
        return next((stay for stay in stays if stay.lives(moment)), None)


def explained_at(timeline: Timeline, operation: Operation, epoch: float, first: int, last: int) -> int | None:
    """Return the first moment, from `first` to `last`, at which the answer was right."""
    asked = _Asked(
        timeline, operation, epoch + operation.invoked_at, epoch + operation.returned_at, first, last
    )
    if operation.outcome is Outcome.REFUSED:
        holds = _REFUSALS.get(operation.code or "", _never)
    else:
        holds = _UNCHANGED[operation.kind]
    return next((moment for moment in _changes(asked) if holds(asked, moment)), None)


def _changes(asked: _Asked) -> Iterable[int]:
    """Return the moments at which an answer may have become right: in between nothing changes for it."""
    operation, timeline = asked.operation, asked.timeline
    changed = {asked.first}
    stays = list(timeline.places.get(operation.appointment or operation.result or "", ()))
    if operation.slot is not None:
        stays += asked.in_the_way()
        stays += asked.held()
    if operation.code == "hold-limit":
        stays += timeline.holds_of.get(operation.patient, ())
    for hold in (operation.hold, operation.result):
        if hold in timeline.held:
            stays.append(timeline.held[hold])
    if operation.kind is Kind.READ or operation.code == "booking-limit":
        changed.update(timeline.changes_of(operation.patient, asked.first, asked.last))
    for stay in stays:
        changed.add(stay.since)
        if stay.until != NEVER:
            changed.add(int(stay.until))
    return sorted(moment for moment in changed if asked.first <= moment <= asked.last)


def _never(_: _Asked, __: int) -> bool:
    return False


def _slot_taken(asked: _Asked, moment: int) -> bool:
    return asked.doctor_busy(moment)


def _patient_busy(asked: _Asked, moment: int) -> bool:
    return asked.doctor_free(moment) and asked.patient_busy(moment)


def _booking_limit(asked: _Asked, moment: int) -> bool:
    nothing_else = asked.doctor_free(moment) and not asked.patient_busy(moment)
    return nothing_else and len(asked.timeline.own(asked.operation.patient, moment)) >= LIMIT


def _hold_limit(asked: _Asked, moment: int) -> bool:
    own = asked.timeline.holds_of.get(asked.operation.patient, ())
    living = sum(hold.lives(moment) and hold.expires_at > asked.asked for hold in own)
    return asked.doctor_free(moment) and not asked.patient_busy(moment) and living >= MOST_HOLDS


def _hold_expired(asked: _Asked, moment: int) -> bool:
    hold = asked.timeline.held.get(asked.operation.hold or "")
    return hold is None or not hold.lives(moment) or hold.expires_at <= asked.told


def _appointment_cancelled(asked: _Asked, moment: int) -> bool:
    return asked.timeline.cancelled.get(asked.operation.appointment or "", NEVER) <= moment


def _booked_already(asked: _Asked, moment: int) -> bool:
    stay = asked.stands_in(moment)
    return stay is not None and (stay.patient, stay.slot) == (asked.operation.patient, asked.operation.slot)


def _held_already(asked: _Asked, moment: int) -> bool:
    hold = asked.timeline.held.get(asked.operation.result or "")
    return (
        hold is not None
        and (hold.patient, hold.slot) == (asked.operation.patient, asked.operation.slot)
        and hold.lives(moment)
        and hold.expires_at > asked.asked
    )


def _over_already(asked: _Asked, moment: int) -> bool:
    hold = asked.timeline.held.get(asked.operation.hold or "")
    return hold is not None and (hold.until <= moment or hold.expires_at <= asked.told)


def _as_shown(asked: _Asked, moment: int) -> bool:
    return asked.timeline.own(asked.operation.patient, moment) == frozenset(asked.operation.shown)


_Right = Callable[[_Asked, int], bool]

_REFUSALS: Final[dict[str, _Right]] = {
    "slot-taken": _slot_taken,
    "patient-busy": _patient_busy,
    "booking-limit": _booking_limit,
    "hold-limit": _hold_limit,
    "hold-expired": _hold_expired,
    "appointment-cancelled": _appointment_cancelled,
}
_UNCHANGED: Final[dict[Kind, _Right]] = {
    Kind.BOOK: _booked_already,
    Kind.MOVE: _booked_already,
    Kind.CANCEL: _appointment_cancelled,
    Kind.HOLD: _held_already,
    Kind.RELEASE: _over_already,
    Kind.READ: _as_shown,
}
