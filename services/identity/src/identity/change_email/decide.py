"""When does an account get another e-mail address?

When a link to the new address and one to the present address were both opened, in whatever order, for the
same change. Whether the new one is free is decided then: until then anybody else may take it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from identity.rules.account_unknown import AccountUnknown
from identity.rules.email_holder import AccountExists, Holders, email_criterion, holders_after
from identity.rules.link_expired import LinkExpired
from portal_events.base import Event
from portal_events.identity import (
    AccountCreated,
    ChangedAddress,
    EmailChangeApproved,
    EmailChanged,
    EmailChangeRequested,
)
from portal_events.sensitive import Plain
from portal_eventstore.decision import Criterion, Decision, about


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEmailChange:
    """The owner wants another address."""

    account_id: UUID
    email: Plain
    email_tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveEmailChange:
    """The link to one of the two addresses was opened; `email` and `email_tag` are the new one's."""

    account_id: UUID
    address: ChangedAddress
    email: Plain
    email_tag: str


@dataclass(frozen=True, slots=True)
class Change:
    """An account's address, the wanted one, and which of the links to the two were opened."""

    patient_id: UUID
    email_tag: str
    wanted: str | None = None
    approved: frozenset[ChangedAddress] = frozenset()


@dataclass(frozen=True, slots=True)
class State:
    """The changes by account, and who has the new address. Its events may be about other accounts, too."""

    changes: Mapping[UUID, Change] = field(default_factory=dict)
    holders: Holders = field(default_factory=dict)


def boundary_of_request(command: RequestEmailChange) -> Sequence[Criterion]:
    """Select what the account's address was and is."""
    return [about(f"account:{command.account_id}", (AccountCreated, EmailChanged))]


def boundary_of_approval(command: ApproveEmailChange) -> Sequence[Criterion]:
    """Select the account's addresses, present and wanted, and the holders of the new one."""
    types = (AccountCreated, EmailChangeRequested, EmailChangeApproved, EmailChanged)
    return [about(f"account:{command.account_id}", types), email_criterion(command.email_tag)]


def evolve(state: State, event: Event) -> State:
    """Remember changes and holders."""
    holders = holders_after(state.holders, event)
    if not isinstance(event, AccountCreated | EmailChangeRequested | EmailChangeApproved | EmailChanged):
        return replace(state, holders=holders)
    change = _change_after(state.changes.get(event.account_id), event)
    changes = state.changes if change is None else {**state.changes, event.account_id: change}
    return State(changes, holders)


def _change_after(
    change: Change | None, event: AccountCreated | EmailChangeRequested | EmailChangeApproved | EmailChanged
) -> Change | None:
    """Fold one event; a request takes the place of an earlier one and of what was approved for it."""
    match event:
        case AccountCreated() | EmailChanged():
            return Change(event.patient_id, event.email_tag)
        case EmailChangeRequested() if change:
            return replace(change, wanted=event.email_tag, approved=frozenset())
        case EmailChangeApproved() if change and event.email_tag == change.wanted:
            return replace(change, approved=change.approved | {event.address})
    return change


def decide_request(command: RequestEmailChange, state: State) -> list[Event]:
    """Return [EmailChangeRequested], which sends both links anew, or [] when it is the account's address."""
    change = state.changes.get(command.account_id)
    if change is None:
        raise AccountUnknown
    if command.email_tag == change.email_tag:
        return []
    return [
        EmailChangeRequested(
            account_id=command.account_id,
            patient_id=change.patient_id,
            email=command.email,
            email_tag=command.email_tag,
        )
    ]


def decide_approval(command: ApproveEmailChange, state: State) -> list[Event]:
    """Return [EmailChangeApproved] for the first link, [EmailChanged] for the second, [] when repeated."""
    change = state.changes.get(command.account_id)
    if change is None or change.wanted != command.email_tag:
        raise LinkExpired
    if state.holders.get(command.email_tag) is not None:
        raise AccountExists
    if command.address in change.approved:
        return []
    if not change.approved:
        return [
            EmailChangeApproved(
                account_id=command.account_id,
                patient_id=change.patient_id,
                address=command.address,
                email_tag=command.email_tag,
            )
        ]
    return [
        EmailChanged(
            account_id=command.account_id,
            patient_id=change.patient_id,
            email=command.email,
            email_tag=command.email_tag,
            released_email_tag=change.email_tag,
        )
    ]


REQUEST_EMAIL_CHANGE = Decision(
    boundary=boundary_of_request, initial=State(), evolve=evolve, decide=decide_request
)
APPROVE_EMAIL_CHANGE = Decision(
    boundary=boundary_of_approval, initial=State(), evolve=evolve, decide=decide_approval
)
