"""When does the desk register a person who has no account?

When it has not done so before. Somebody's account with the same PESEL does not stand against it: as long as
the identity is not confirmed, that is only a claim, and the two are joined when it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from portal_events.base import Event
from portal_events.identity import Origin, PatientRegistered, Sex
from portal_events.sensitive import Plain
from portal_eventstore.decision import Conflict, Criterion, Decision, about


class PatientExists(Conflict):
    """The desk knows a person of this PESEL."""

    code = "patient-exists"
    title = "This person is already registered"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPatient:
    """Register a walk-in. With `pesel` None there is a `passport`."""

    patient_id: UUID
    given_name: Plain
    family_name: Plain
    birth_date: date
    sex: Sex
    age_band: str
    pesel: Plain | None = None
    pesel_tag: str | None = None
    passport: Plain | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Whom the desk knows of this PESEL, and who is known by this id."""

    known: frozenset[UUID] = frozenset()
    known_to_desk: frozenset[str] = frozenset()


def boundary(command: RegisterPatient) -> Sequence[Criterion]:
    """Select this patient and the patients of this PESEL."""
    criteria = [about(f"patient:{command.patient_id}", (PatientRegistered,))]
    if command.pesel_tag is not None:
        criteria.append(about(f"pesel:{command.pesel_tag}", (PatientRegistered,)))
    return criteria


def evolve(state: State, event: Event) -> State:
    """Remember patients."""
    if not isinstance(event, PatientRegistered):
        return state
    state = replace(state, known=state.known | {event.patient_id})
    if event.origin is Origin.DESK and event.pesel_tag is not None:
        state = replace(state, known_to_desk=state.known_to_desk | {event.pesel_tag})
    return state


def decide(command: RegisterPatient, state: State) -> list[Event]:
    """Return [PatientRegistered], or [] when this very patient is registered."""
    if command.patient_id in state.known:
        return []
    if command.pesel_tag in state.known_to_desk:
        raise PatientExists
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
            origin=Origin.DESK,
        )
    ]


REGISTER_PATIENT = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)
