"""When does the network take a service into its catalogue?"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from booking.rules.readable_text import readable
from portal_events.base import Event
from portal_events.booking import Mode, ServiceAdded, ServiceKind
from portal_events.identity import Level
from portal_eventstore.decision import Conflict, Criterion, Decision, Malformed, about


class ServiceExists(Conflict):
    """The id already stands for another service."""

    code = "service-exists"
    title = "Another service has this id"


class ServiceInvalid(Malformed):
    """Whoever reads the catalogue must find a name, a way to have the service and its price."""

    code = "service-invalid"
    title = "The service is not described as a catalogue needs it"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddService:
    """Take a service into the catalogue; `price` is in grosze, an empty `preparation` means none."""

    service_id: UUID
    name: str
    name_en: str
    kind: ServiceKind
    modes: tuple[Mode, ...]
    levels: tuple[Level, ...]
    referral_required: bool
    price: int
    covered: bool
    preparation: str
    preparation_en: str


@dataclass(frozen=True, slots=True)
class State:
    """The service of this id, where there is one."""

    service: ServiceAdded | None = None


def boundary(command: AddService) -> Sequence[Criterion]:
    """Select what is known of this id."""
    return [about(f"service:{command.service_id}", (ServiceAdded,))]


def evolve(state: State, event: Event) -> State:
    """Remember the service."""
    return State(event) if isinstance(event, ServiceAdded) else state


def decide(command: AddService, state: State) -> list[Event]:
    """Return [ServiceAdded], or [] when the same service is already there."""
    _check(command)
    added = ServiceAdded(
        service_id=command.service_id,
        name=command.name,
        name_en=command.name_en,
        kind=command.kind,
        modes=command.modes,
        levels=command.levels,
        referral_required=command.referral_required,
        price=command.price,
        covered=command.covered,
        preparation=command.preparation,
        preparation_en=command.preparation_en,
    )
    if state.service is None:
        return [added]
    if state.service == added:
        return []
    raise ServiceExists


def _check(command: AddService) -> None:
    if not (readable(command.name) and readable(command.name_en)):
        raise ServiceInvalid("It needs a name in Polish and in English")
    for choices in (command.modes, command.levels):
        if not choices or len(set(choices)) < len(choices):
            raise ServiceInvalid("It needs ways to have it and levels that may book it, each named once")
    if command.price < 0:
        raise ServiceInvalid("Its price is 0 grosze or more")
    texts = (command.preparation, command.preparation_en)
    if any(texts) and not all(map(readable, texts)):
        raise ServiceInvalid("What to prepare is said in Polish and in English, or not at all")


ADD_SERVICE = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)
