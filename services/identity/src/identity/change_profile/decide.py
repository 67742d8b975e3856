"""When do a person's name, telephone number and language change?

Whenever the account's owner says so. The address is another matter (change_email).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from identity.rules.account_unknown import AccountUnknown
from portal_events.base import Event
from portal_events.identity import AccountCreated, ProfileChanged
from portal_events.sensitive import Plain
from portal_eventstore.decision import Criterion, Decision, about


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeProfile:
    """Change what is given, which differs from what there is; the rest is None."""

    account_id: UUID
    given_name: Plain | None = None
    family_name: Plain | None = None
    phone: Plain | None = None
    language: str | None = None


def boundary(command: ChangeProfile) -> Sequence[Criterion]:
    """Select the account."""
    return [about(f"account:{command.account_id}", (AccountCreated,))]


def evolve(_: UUID | None, event: Event) -> UUID | None:
    """Remember whose account it is."""
    return event.patient_id if isinstance(event, AccountCreated) else None


def decide(command: ChangeProfile, patient_id: UUID | None) -> list[Event]:
    """Return [ProfileChanged], or [] when nothing is given."""
    if patient_id is None:
        raise AccountUnknown
    given = (command.given_name, command.family_name, command.phone, command.language)
    if not any(given):
        return []
    return [
        ProfileChanged(
            account_id=command.account_id,
            patient_id=patient_id,
            given_name=command.given_name,
            family_name=command.family_name,
            phone=command.phone,
            language=command.language,
        )
    ]


CHANGE_PROFILE: Decision[ChangeProfile, UUID | None] = Decision(
    boundary=boundary, initial=None, evolve=evolve, decide=decide
)
