"""When is an account's address known to be its owner's?

When a link that was sent there is opened while it is still the account's address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from identity.rules.link_expired import LinkExpired
from portal_events.base import Event
from portal_events.identity import AccountCreated, EmailChanged, EmailConfirmed
from portal_eventstore.decision import Criterion, Decision, about


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmEmail:
    """The link to this address was opened."""

    account_id: UUID
    email_tag: str


@dataclass(frozen=True, slots=True)
class State:
    """Whose account it is, its address, and whether that is confirmed."""

    patient_id: UUID | None = None
    email_tag: str | None = None
    confirmed: bool = False


def boundary(command: ConfirmEmail) -> Sequence[Criterion]:
    """Select what the account's address was and is."""
    return [about(f"account:{command.account_id}", (AccountCreated, EmailChanged, EmailConfirmed))]


def evolve(state: State, event: Event) -> State:
    """Remember the newest address. One that was changed to is confirmed by that."""
    match event:
        case AccountCreated():
            return State(event.patient_id, event.email_tag)
        case EmailChanged():
            return State(event.patient_id, event.email_tag, confirmed=True)
        case EmailConfirmed() if event.email_tag == state.email_tag:
            return State(event.patient_id, event.email_tag, confirmed=True)
    return state


def decide(command: ConfirmEmail, state: State) -> list[Event]:
    """Return [EmailConfirmed], or [] when it is confirmed."""
    if state.patient_id is None or state.email_tag != command.email_tag:
        raise LinkExpired
    if state.confirmed:
        return []
    return [
        EmailConfirmed(
            account_id=command.account_id, patient_id=state.patient_id, email_tag=command.email_tag
        )
    ]


CONFIRM_EMAIL = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)
