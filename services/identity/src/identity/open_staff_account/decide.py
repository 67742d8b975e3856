"""When may a member of staff get an account?

When nobody has the e-mail address: staff and patients share one namespace.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from identity.rules.email_holder import AccountExists, Holders, email_criterion, holders_after
from portal_events.base import Event
from portal_events.identity import Role, StaffAccountCreated
from portal_events.sensitive import Plain
from portal_eventstore.decision import Criterion, Decision, about


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStaffAccount:
    """Open an account with these roles."""

    account_id: UUID
    email: Plain
    email_tag: str
    name: Plain
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Who has the address, and which staff accounts there are."""

    holders: Holders = field(default_factory=dict)
    opened: frozenset[UUID] = frozenset()


def boundary(command: OpenStaffAccount) -> Sequence[Criterion]:
    """Select this account and the holders of the address."""
    return [
        about(f"account:{command.account_id}", (StaffAccountCreated,)),
        email_criterion(command.email_tag),
    ]


def evolve(state: State, event: Event) -> State:
    """Remember holders and accounts."""
    if isinstance(event, StaffAccountCreated):
        state = replace(state, opened=state.opened | {event.account_id})
    return replace(state, holders=holders_after(state.holders, event))


def decide(command: OpenStaffAccount, state: State) -> list[Event]:
    """Return [StaffAccountCreated], or [] when this very account is there."""
    if command.account_id in state.opened:
        return []
    if state.holders.get(command.email_tag) is not None:
        raise AccountExists
    return [
        StaffAccountCreated(
            account_id=command.account_id,
            email=command.email,
            email_tag=command.email_tag,
            name=command.name,
            roles=command.roles,
        )
    ]


OPEN_STAFF_ACCOUNT = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)
