"""When does the network take a facility into its catalogue?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from booking.rules.readable_text import readable
from portal_events.base import Event
from portal_events.booking import FacilityAdded
from portal_eventstore.decision import Conflict, Criterion, Decision, Malformed, about

_POSTAL_CODE = re.compile(r"[0-9]{2}-[0-9]{3}")
_PHONE = re.compile(r"\+[1-9][0-9]{7,14}")


class FacilityExists(Conflict):
    """The id already stands for another facility."""

    code = "facility-exists"
    title = "Another facility has this id"


class ZoneUnknown(Malformed):
    """Without its wall clock no visit of the facility has a time."""

    code = "zone-unknown"
    title = "The time zone is not an IANA name"


class FacilityInvalid(Malformed):
    """A person must find the place, and reach its desk."""

    code = "facility-invalid"
    title = "The facility is not described as a catalogue needs it"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFacility:
    """Take a facility into the catalogue; `zone` is its wall clock (IANA name), `phone` is E.164."""

    facility_id: UUID
    name: str
    street: str
    postal_code: str
    city: str
    zone: str
    phone: str
    partner: bool


@dataclass(frozen=True, slots=True)
class State:
    """The facility of this id, where there is one."""

    facility: FacilityAdded | None = None


def boundary(command: AddFacility) -> Sequence[Criterion]:
    """Select what is known of this id."""
    return [about(f"facility:{command.facility_id}", (FacilityAdded,))]


def evolve(state: State, event: Event) -> State:
    """Remember the facility."""
    return State(event) if isinstance(event, FacilityAdded) else state


def decide(command: AddFacility, state: State) -> list[Event]:
    """Return [FacilityAdded], or [] when the same facility is already there."""
    _check(command)
    added = FacilityAdded(
        facility_id=command.facility_id,
        name=command.name,
        street=command.street,
        postal_code=command.postal_code,
        city=command.city,
        zone=command.zone,
        phone=command.phone,
        partner=command.partner,
    )
    if state.facility is None:
        return [added]
    if state.facility == added:
        return []
    raise FacilityExists


def _check(command: AddFacility) -> None:
    try:
        ZoneInfo(command.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a path, a folder's name, an empty name
        raise ZoneUnknown from None
    if not all(map(readable, (command.name, command.street, command.city))):
        raise FacilityInvalid("It needs a name, a street and a city")
    if not _POSTAL_CODE.fullmatch(command.postal_code):
        raise FacilityInvalid("A postal code is written 00-000")
    if not _PHONE.fullmatch(command.phone):
        raise FacilityInvalid("A phone number is written +48221234567 (E.164)")


ADD_FACILITY = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)
