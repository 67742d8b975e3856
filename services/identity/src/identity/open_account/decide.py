"""When may an account be opened?

When neither the e-mail address nor the PESEL has one. Both are looked up by their blind tags, and both stand
in the append condition, so that of two sign-ups at the same moment one is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from portal_events.base import Event
from portal_events.identity import AccountCreated, Origin, PatientRegistered, Sex
from portal_events.sensitive import Plain
from portal_eventstore.decision import Conflict, Criterion, Decision, about


class AccountExists(Conflict):
    """The address or the PESEL has an account; which of them is not said."""

    code = "account-exists"
    title = "There is already an account for this person"


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


def boundary(command: OpenAccount) -> Sequence[Criterion]:
    """Select the account of this address and the patients of this PESEL."""
    criteria = [about(f"email:{command.email_tag}", (AccountCreated,))]
    if command.pesel_tag is not None:
        criteria.append(about(f"pesel:{command.pesel_tag}", (PatientRegistered,)))
    return criteria


def evolve(_: bool, __: Event) -> bool:  # noqa: FBT001 - the state is this one answer
    """Remember that somebody was there before: whatever the boundary selects stands against it."""
    return True


def decide(command: OpenAccount, taken: bool) -> list[Event]:  # noqa: FBT001 - the state is this one answer
    """Return [PatientRegistered, AccountCreated], which are appended together."""
    if taken:
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


OPEN_ACCOUNT = Decision(boundary=boundary, initial=False, evolve=evolve, decide=decide)
