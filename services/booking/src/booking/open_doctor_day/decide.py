"""Which visits does a doctor offer on one date, and when may they be offered?

Offers of one doctor may overlap, at one facility or at two: they share the doctor's time, and the first
booking takes it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from booking.rules.service_terms import ModeNotOffered, ServiceUnknown
from booking.rules.time_overlap import LONGEST_MINUTES, SHORTEST_MINUTES
from booking.rules.wall_clock import Hours, slot_starts
from portal_events.base import Event
from portal_events.booking import (
    DoctorAdded,
    DoctorDayOpened,
    FacilityAdded,
    Mode,
    ServiceAdded,
    Slot,
)
from portal_eventstore.decision import Conflict, Criterion, Decision, Malformed, NotFound, about

SLOTS = UUID("7d0d1c2e-41a5-5d0b-9c53-2f9a8f1f6a4e")
"""The namespace of slot ids (RFC 9562, 5.5)."""


class DoctorUnknown(NotFound):
    """Only a doctor of the network has days here."""

    code = "doctor-unknown"
    title = "There is no such doctor"


class FacilityUnknown(NotFound):
    """Only a facility of the network can be visited."""

    code = "facility-unknown"
    title = "There is no such facility"


class HoursInvalid(Malformed):
    """Hours that hold no visit would open a day in name only."""

    code = "hours-invalid"
    title = "No visit fits into these hours"


class OfferDiffers(Conflict):
    """A slot's id says doctor, facility, service and start; the rest must not change under it."""

    code = "offer-differs"
    title = "This visit is already offered with another length or in another way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Hours at one facility for one service, cut into visits of `minutes` around the breaks."""

    facility_id: UUID
    service_id: UUID
    mode: Mode
    hours: Hours
    minutes: int
    breaks: tuple[Hours, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDoctorDay:
    """Offer the visits of these sessions; `day` and hours are read off each facility's wall clock."""

    doctor_id: UUID
    day: date
    sessions: tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class State:
    """The doctor, the services (id, modes), the facilities (id, zone) and the offers so far, as known."""

    doctors: frozenset[UUID] = frozenset()
    services: tuple[tuple[UUID, tuple[Mode, ...]], ...] = ()
    zones: tuple[tuple[UUID, str], ...] = ()
    slots: tuple[Slot, ...] = field(default=())


def slot_id(doctor_id: UUID, facility_id: UUID, service_id: UUID, starts_at: datetime) -> UUID:
    """Return the id that this offer has for ever, so that opening a day again adds nothing."""
    return uuid5(SLOTS, f"{doctor_id}/{facility_id}/{service_id}/{starts_at.astimezone(UTC).isoformat()}")


def boundary(command: OpenDoctorDay) -> Sequence[Criterion]:
    """Select the day's offers, and that doctor, facilities and services exist."""
    facilities = {session.facility_id for session in command.sessions}
    services = {session.service_id for session in command.sessions}
    return [
        about(f"doctor-day:{command.doctor_id}:{command.day}", (DoctorDayOpened,)),
        about(f"doctor:{command.doctor_id}", (DoctorAdded,)),
        *(about(f"facility:{facility}", (FacilityAdded,)) for facility in sorted(facilities)),
        *(about(f"service:{service}", (ServiceAdded,)) for service in sorted(services)),
    ]


def evolve(state: State, event: Event) -> State:
    """Remember who and what exists, and what is offered."""
    match event:
        case DoctorAdded(doctor_id=doctor):
            return replace(state, doctors=state.doctors | {doctor})
        case ServiceAdded(service_id=service, modes=modes):
            return replace(state, services=(*state.services, (service, modes)))
        case FacilityAdded(facility_id=facility, zone=zone):
            return replace(state, zones=(*state.zones, (facility, zone)))
        case DoctorDayOpened(slots=slots):
            return replace(state, slots=(*state.slots, *slots))
        case _:
            return state


def decide(command: OpenDoctorDay, state: State) -> list[Event]:
    """Return [DoctorDayOpened] with what is not offered yet, or [] when all is; one event for each zone."""
    if command.doctor_id not in state.doctors:
        raise DoctorUnknown
    offered = {slot.slot_id: slot for slot in state.slots}
    new: dict[str, list[Slot]] = {}
    for session in command.sessions:
        zone = _zone(session, state)
        for slot in _cut(command, session, ZoneInfo(zone)):
            if slot.slot_id not in offered:
                offered[slot.slot_id] = slot
                new.setdefault(zone, []).append(slot)
            elif offered[slot.slot_id] != slot:
                raise OfferDiffers
    return [
        DoctorDayOpened(doctor_id=command.doctor_id, date=command.day, zone=zone, slots=tuple(slots))
        for zone, slots in new.items()
    ]


def _zone(session: Session, state: State) -> str:
    modes = dict(state.services).get(session.service_id)
    if modes is None:
        raise ServiceUnknown
    if session.mode not in modes:
        raise ModeNotOffered
    zone = dict(state.zones).get(session.facility_id)
    if zone is None:
        raise FacilityUnknown
    return zone


def _cut(command: OpenDoctorDay, session: Session, zone: ZoneInfo) -> Iterator[Slot]:
    if not SHORTEST_MINUTES <= session.minutes <= LONGEST_MINUTES:
        raise HoursInvalid(f"A visit takes {SHORTEST_MINUTES} to {LONGEST_MINUTES} minutes")
    if session.hours.empty or any(pause.empty for pause in session.breaks):
        raise HoursInvalid("Hours and breaks end after they begin, on the same day")
    starts = slot_starts(command.day, zone, session.hours, session.minutes, session.breaks)
    if not starts:
        raise HoursInvalid
    for starts_at in starts:
        yield Slot(
            slot_id=slot_id(command.doctor_id, session.facility_id, session.service_id, starts_at),
            service_id=session.service_id,
            facility_id=session.facility_id,
            mode=session.mode,
            starts_at=starts_at,
            minutes=session.minutes,
        )


OPEN_DOCTOR_DAY = Decision(boundary=boundary, initial=State(), evolve=evolve, decide=decide)
