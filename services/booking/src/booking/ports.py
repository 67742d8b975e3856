"""What do endpoints get from the process that they run in?

`app.py` puts these into `app.state`; a test puts its own there. Coroutines, though none waits: FastAPI sends
a plain function to a thread, which costs far more than the look-up.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Depends, Request

from portal_chassis.positions import Positions
from portal_eventstore.execute import Decider


@dataclass(frozen=True, slots=True)
class Place:
    """Where the facts about a slot are to be found. `starts_at` is UTC."""

    doctor_id: UUID
    starts_at: datetime
    minutes: int


FindSlot = Callable[[UUID], Awaitable[Place | None]]
"""Looks a slot up in the view of offers."""

Seen = Callable[[str, Positions], Awaitable[bool]]
"""Waits until a view has seen these positions, for at most 2 s; says whether it has."""


class DataKeys(Protocol):
    """Patients' data keys, as this service holds them."""

    async def key_for(self, patient_id: UUID) -> bytes:
        """Return the patient's key; raises KeyUnavailable."""


async def _decider(request: Request) -> Decider:
    decider: Decider = request.app.state.decider
    return decider


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


CurrentDecider = Annotated[Decider, Depends(_decider)]
CurrentFindSlot = Annotated[FindSlot, Depends(_find_slot)]
CurrentSeen = Annotated[Seen, Depends(_seen)]
CurrentDataKeys = Annotated[DataKeys, Depends(_data_keys)]
CurrentViews = Annotated[Any, Depends(_views)]
"""An asyncpg pool on the service's views (asyncpg has no types that mypy --strict could hold on to)."""
