"""When may an account be opened?

When neither the e-mail address nor the PESEL has one. Both are looked up by their blind tags, and both stand
in the append condition, so that of two sign-ups at the same moment one is refused. A person known to the desk
may sign up, as a patient of its own: what the desk has is linked only when the identity is confirmed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import UUID

from identity.rules.email_holder import AccountExists, Holders, email_criterion, holders_after
from portal_events.base import Event
from portal_events.identity import AccountCreated, Origin, PatientRegistered, Sex
from portal_events.sensitive import Plain
from portal_eventstore.decision import Criterion, Decision, about


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount:
    """Register a patient together with the account. With `pesel` None there is a `passport`."""

    account_id: UUID
    patient_id: UUID
    email: Plain
    email_tag: str
    given_name: Plain
    family_name: Plain
    birth_date: date
    sex: Sex
    age_band: str
    pesel: Plain | None = None
    pesel_tag: str | None = None
    passport: Plain | None = None
    phone: Plain
    language: str
    consents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Who has the address, and whether the PESEL has an account."""

    holders: Holders = field(default_factory=dict)
    pesel_claimed: bool = False


def boundary(command: OpenAccount) -> Sequence[Criterion]:
    """Select the holders of this address and the patients of this PESEL."""
    criteria = [email_criterion(command.email_tag)]
    if command.pesel_tag is not None:
        criteria.append(about(f"pesel:{command.pesel_tag}", (PatientRegistered,)))
    return criteria


def evolve(state: State, event: Event) -> State:
    """Remember holders; a patient whom only the desk knows has no account."""
    if isinstance(event, PatientRegistered):
        return replace(state, pesel_claimed=state.pesel_claimed or event.origin is Origin.ACCOUNT)
    return replace(state, holders=holders_after(state.holders, event))


def taken(command: OpenAccount, state: State) -> bool:
    """Tell whether an account stands against the command."""
    return state.pesel_claimed or state.holders.get(command.email_tag) is not None


def decide(command: OpenAccount, state: State) -> list[Event]:
    """Return [PatientRegistered, AccountCreated], which are appended together."""
    if taken(command, state):
        raise AccountExists
    return [
        PatientRegistered(
            patient_id=command.patient_id,
            given_name=command.given_name,
            family_name=command.family_name,
            birth_date=Plain(command.birth_date.isoformat()),
            pesel=command.pesel,
            passport=command.passport,
            pesel_tag=command.pesel_tag,
            sex=command.sex,
            age_band=command.age_band,
            origin=Origin.ACCOUNT,
        ),
        AccountCreated(
            account_id=command.account_id,
            patient_id=command.patient_id,
            email=command.email,
            email_tag=command.email_tag,
            phone=command.phone,
            language=command.language,
            consents=command.consents,
        ),
    ]


def _refuse(_: OpenAccount, __: State) -> list[Event]:
    raise AccountExists


OPEN_ACCOUNT = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)

ANSWER_REPEAT = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=_refuse)
"""For a command that is known to be refused, unless it is the repeat of one that was not."""
