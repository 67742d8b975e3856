"""When does the network take a service into its catalogue?"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from portal_events.base import Event
from portal_events.booking import Mode, ServiceAdded, ServiceKind
from portal_events.identity import Level
from portal_eventstore.decision import Conflict, Criterion, Decision, Malformed, about


class ServiceExists(Conflict):
    """The id already stands for another service."""

    code = "service-exists"
    title = "Another service has this id"


class ServiceInvalid(Malformed):
    """A service has a name in both languages and a price that is not negative."""

    code = "service-invalid"
    title = "A service needs a Polish and an English name and a price of 0 or more"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddService:
    """Take a service into the catalogue; `price` is in grosze."""

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
    if not command.name.strip() or not command.name_en.strip() or command.price < 0:
        raise ServiceInvalid
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


ADD_SERVICE = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)
