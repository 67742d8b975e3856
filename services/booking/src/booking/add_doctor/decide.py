"""When does the network take a doctor into its catalogue?"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from booking.rules.languages import LANGUAGES
from booking.rules.pwz import pwz_valid
from booking.rules.readable_text import readable
from portal_events.base import Event
from portal_events.booking import DoctorAdded
from portal_eventstore.decision import Conflict, Criterion, Decision, Malformed, about


class DoctorExists(Conflict):
    """The id already stands for another doctor."""

    code = "doctor-exists"
    title = "Another doctor has this id"


class PwzInvalid(Malformed):
    """Nobody works without a licence."""

    code = "pwz-invalid"
    title = "The licence number (PWZ) is wrong"


class DoctorInvalid(Malformed):
    """Patients choose a doctor by name, and by a language they share."""

    code = "doctor-invalid"
    title = "The doctor is not described as a catalogue needs it"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddDoctor:
    """Take a doctor into the catalogue; `languages` are ISO 639-1 codes."""

    doctor_id: UUID
    name: str
    pwz: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """The doctor of this id, where there is one."""

    doctor: DoctorAdded | None = None


def boundary(command: AddDoctor) -> Sequence[Criterion]:
    """Select what is known of this id."""
    return [about(f"doctor:{command.doctor_id}", (DoctorAdded,))]


def evolve(state: State, event: Event) -> State:
    """Remember the doctor."""
    return State(event) if isinstance(event, DoctorAdded) else state


def decide(command: AddDoctor, state: State) -> list[Event]:
    """Return [DoctorAdded], or [] when the same doctor is already there."""
    if not pwz_valid(command.pwz):
        raise PwzInvalid
    if not readable(command.name):
        raise DoctorInvalid("A doctor needs a name")
    languages = command.languages
    if not languages or len(set(languages)) < len(languages) or not LANGUAGES.issuperset(languages):
        raise DoctorInvalid("A doctor needs languages, each an ISO 639-1 code and named once")
    added = DoctorAdded(
        doctor_id=command.doctor_id, name=command.name, pwz=command.pwz, languages=command.languages
    )
    if state.doctor is None:
        return [added]
    if state.doctor == added:
        return []
    raise DoctorExists


ADD_DOCTOR = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)
