"""When does a patient give a slot back that was kept?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from portal_events.base import Event
from portal_events.booking import AppointmentBooked, AppointmentMoved, HoldReleased, SlotHeld
from portal_eventstore.decision import Criterion, Decision, NotFound, about


class HoldUnknown(NotFound):
    """There is none, or it is another patient's."""

    code = "hold-unknown"
    title = "Nothing is kept for you under this id"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold:
    """Give a held slot back."""

    hold_id: UUID
    patient_id: UUID
    now: datetime


@dataclass(frozen=True, slots=True)
class State:
    """The hold, and the patient's holds that have ended by an event."""

    hold: SlotHeld | None = None
    ended: frozenset[UUID] = frozenset()


def boundary(command: ReleaseHold) -> Sequence[Criterion]:
    """Select the hold, and what else may have ended it: that the patient took the slot."""
    return [
        about(f"hold:{command.hold_id}", (SlotHeld, HoldReleased)),
        about(f"patient:{command.patient_id}", (AppointmentBooked, AppointmentMoved)),
    ]


def evolve(state: State, event: Event) -> State:
    """Remember the hold and its end."""
    match event:
        case SlotHeld():
            return replace(state, hold=event)
        case (
            HoldReleased(hold_id=UUID() as ended)
            | AppointmentBooked(hold_id=UUID() as ended)
            | AppointmentMoved(hold_id=UUID() as ended)
        ):
            return replace(state, ended=state.ended | {ended})
        case _:
            return state


def decide(command: ReleaseHold, state: State) -> list[Event]:
    """Return [HoldReleased], or [] when the hold is over in whatever way."""
    hold = state.hold
    if hold is None or hold.patient_id != command.patient_id:
        raise HoldUnknown
    if hold.hold_id in state.ended or hold.expires_at <= command.now:
        return []
    return [
        HoldReleased(
            hold_id=hold.hold_id,
            patient_id=hold.patient_id,
            doctor_id=hold.doctor_id,
            starts_at=hold.starts_at,
            minutes=hold.minutes,
        )
    ]


RELEASE_HOLD = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)
