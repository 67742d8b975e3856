"""When is the owner of an account taken to be the person it names?

When one of the ways of product.md says so. It happens once: what was seen the first time stands.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from identity.rules.account_unknown import AccountUnknown
from portal_events.base import Event
from portal_events.identity import AccountCreated, ConfirmationMethod, IdentityConfirmed
from portal_events.sensitive import Plain
from portal_eventstore.decision import Conflict, Criterion, Decision, Malformed, about

DOCUMENTS: Final = ("identity-card", "passport")

_LAST_FOUR: Final = re.compile(r"[A-Z0-9]{4}")


class AlreadyConfirmed(Conflict):
    """The level is full, by another confirmation than this one."""

    code = "already-confirmed"
    title = "The identity is already confirmed"


class DocumentInvalid(Malformed):
    """A bank shows no document; everybody else looks at one and notes its kind and its end."""

    code = "document-invalid"
    title = "Name the document that was seen and its last four characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmIdentity:
    """Confirm who an account's owner is; `last_four` are the document's last characters."""

    account_id: UUID
    method: ConfirmationMethod
    document: str | None = None
    last_four: Plain | None = None


@dataclass(frozen=True, slots=True)
class State:
    """The account, and how its owner's identity was confirmed."""

    account: AccountCreated | None = None
    confirmed: IdentityConfirmed | None = None


def boundary(command: ConfirmIdentity) -> Sequence[Criterion]:
    """Select the account and its confirmation."""
    return [about(f"account:{command.account_id}", (AccountCreated, IdentityConfirmed))]


def evolve(state: State, event: Event) -> State:
    """Remember both."""
    match event:
        case AccountCreated():
            return State(event, state.confirmed)
        case IdentityConfirmed():
            return State(state.account, event)
    return state


def decide(command: ConfirmIdentity, state: State) -> list[Event]:
    """Return [IdentityConfirmed], or [] when it was confirmed in this way by this kind of document.

    The four characters are sealed in the event and cannot be compared.
    """
    _require_document(command)
    if state.account is None:
        raise AccountUnknown
    if state.confirmed is not None:
        if (command.method, command.document) != (state.confirmed.method, state.confirmed.document):
            raise AlreadyConfirmed
        return []
    return [
        IdentityConfirmed(
            account_id=state.account.account_id,
            patient_id=state.account.patient_id,
            method=command.method,
            document=command.document,
            last_four=command.last_four,
        )
    ]


def _require_document(command: ConfirmIdentity) -> None:
    if command.method is ConfirmationMethod.BANK:
        if command.document is not None or command.last_four is not None:
            raise DocumentInvalid
    elif (
        command.document not in DOCUMENTS
        or command.last_four is None
        or not _LAST_FOUR.fullmatch(command.last_four.text)
    ):
        raise DocumentInvalid


CONFIRM_IDENTITY = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)
