"""What do endpoints get from the process that they run in?

`app.py` puts these into `app.state`; a test puts its own there. Coroutines, though none waits: FastAPI sends
a plain function to a thread, which costs far more than the look-up.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Depends, Request

from booking.rules.wanted_slot import WantedSlot
from portal_chassis.access import CurrentPatient
from portal_chassis.positions import Positions
from portal_events.identity import Level
from portal_eventstore.execute import Decider
from portal_eventstore.store import EventStore

FindSlot = Callable[[UUID], Awaitable[WantedSlot | None]]
"""Looks a slot up in the view of offers."""

Seen = Callable[[str, Positions], Awaitable[Mapping[str, str]]]
"""Waits until a view has seen these positions, for at most 2 s; returns headers that say if it is behind."""

LevelOf = Callable[[UUID], Awaitable[Level]]
"""Returns the level of a patient's account, as the view of identity's events has it."""

OwnLevel = Callable[[], Awaitable[Level]]
"""Returns the level of the caller's account, after the view has seen what the caller has."""

FindDeskPhone = Callable[[UUID, UUID], Awaitable[str | None]]
"""Returns, for a patient and an appointment that a desk made, whom to call about it."""


class DataKeys(Protocol):
    """Patients' data keys, as this service holds them."""

    async def key_for(self, patient_id: UUID) -> bytes:
        """Return the patient's key; raises KeyUnavailable."""


async def _decider(request: Request) -> Decider:
    decider: Decider = request.app.state.decider
    return decider


async def _store(request: Request) -> EventStore:
    store: EventStore = request.app.state.store
    return store


async def _find_slot(request: Request) -> FindSlot:
    find: FindSlot = request.app.state.find_slot
    return find


async def _seen(request: Request) -> Seen:
    seen: Seen = request.app.state.seen
    return seen


async def _data_keys(request: Request) -> DataKeys:
    keys: DataKeys = request.app.state.data_keys
    return keys


async def _views(request: Request) -> Any:
    return request.app.state.views


async def _own_level(request: Request, caller: CurrentPatient) -> OwnLevel:
    async def own_level() -> Level:
        seen: Seen = request.app.state.seen
        level_of: LevelOf = request.app.state.level_of
        # Whoever has just confirmed an identity has the new level with the next request.
        await seen("levels", caller.positions)
        return await level_of(caller.patient_id)

    return own_level


async def _desk_phone(request: Request, appointment_id: UUID, caller: CurrentPatient) -> str | None:
    seen: Seen = request.app.state.seen
    find: FindDeskPhone = request.app.state.find_desk_phone
    await seen("appointments", caller.positions)
    return await find(caller.patient_id, appointment_id)


CurrentDecider = Annotated[Decider, Depends(_decider)]
CurrentStore = Annotated[EventStore, Depends(_store)]
CurrentFindSlot = Annotated[FindSlot, Depends(_find_slot)]
CurrentSeen = Annotated[Seen, Depends(_seen)]
CurrentDataKeys = Annotated[DataKeys, Depends(_data_keys)]

CurrentOwnLevel = Annotated[OwnLevel, Depends(_own_level)]
"""Looks up the level of the caller's account."""

CurrentDeskPhone = Annotated[str | None, Depends(_desk_phone)]
"""Whom to call about the appointment of the path, where a desk made it."""

CurrentViews = Annotated[Any, Depends(_views)]
"""An asyncpg pool on the service's views (asyncpg has no types that mypy --strict could hold on to)."""
