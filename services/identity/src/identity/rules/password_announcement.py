"""How does the log learn of a password that was changed?

There is nothing to decide: the change happened when the hash was replaced, and this says so. Who repeats it,
a worker after a crash, uses the same request tag, and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from portal_events.base import Event
from portal_events.identity import PasswordChange, PasswordChanged
from portal_eventstore.decision import Criterion, Decision, about


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncePassword:
    """Say that an account has another password."""

    account_id: UUID
    patient_id: UUID
    change: PasswordChange


def boundary(command: AnnouncePassword) -> Sequence[Criterion]:
    """Select the account's changes."""
    return [about(f"account:{command.account_id}", (PasswordChanged,))]


def evolve(_: None, __: Event) -> None:
    """Remember nothing: a password may be changed any number of times."""


def decide(command: AnnouncePassword, _: None) -> list[Event]:
    """Return [PasswordChanged]."""
    return [
        PasswordChanged(account_id=command.account_id, patient_id=command.patient_id, change=command.change)
    ]


ANNOUNCE_PASSWORD: Decision[AnnouncePassword, None] = Decision(
    boundary=boundary, initial=None, evolve=evolve, decide=decide
)
