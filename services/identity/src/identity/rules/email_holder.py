"""Whose is an e-mail address?

One account has it: the one that was created with it, or that changed to it, until it changes to another. The
address's blind tag finds it, whatever kind of account it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from portal_events.base import Event
from portal_events.identity import AccountCreated, EmailChanged, StaffAccountCreated
from portal_eventstore.decision import Conflict, Criterion, about


class AccountExists(Conflict):
    """The address or the PESEL has an account; which of them is not said."""

    code = "account-exists"
    title = "There is already an account for this person"


@dataclass(frozen=True, slots=True)
class Holder:
    """The account of an address. `patient_id` is None for staff."""

    account_id: UUID
    patient_id: UUID | None


Holders = Mapping[str, Holder | None]
"""Email tag -> who has the address; None, or no entry, when nobody does."""


def email_criterion(email_tag: str) -> Criterion:
    """Select what gives an address to an account, or takes it away."""
    return about(f"email:{email_tag}", (AccountCreated, StaffAccountCreated, EmailChanged))


def holders_after(holders: Holders, event: Event) -> Holders:
    """Fold one event: the answer is right for every tag whose events were all folded."""
    match event:
        case AccountCreated():
            return {**holders, event.email_tag: Holder(event.account_id, event.patient_id)}
        case StaffAccountCreated():
            return {**holders, event.email_tag: Holder(event.account_id, None)}
        case EmailChanged():
            released = {event.released_email_tag: None}
            return {**holders, **released, event.email_tag: Holder(event.account_id, event.patient_id)}
    return holders


def holder_of(email_tag: str, events: Sequence[Event]) -> Holder | None:
    """Return who has the address, by all the events of its tag."""
    holders: Holders = {}
    for event in events:
        holders = holders_after(holders, event)
    return holders.get(email_tag)
