"""What was a command decided on, when it was decided first?

A repeat of a request gets its answer again, also the part of it that no event holds.
"""

from datetime import datetime
from typing import TypeVar

from portal_eventstore.command import Outcome
from portal_eventstore.decision import Decision
from portal_eventstore.store import EventStore, Query

C = TypeVar("C")
S = TypeVar("S")


async def decided_on(
    store: EventStore, decision: Decision[C, S], command: C, outcome: Outcome[S], now: datetime
) -> tuple[S, datetime]:
    """Return the state before the outcome's events, and the time of the decision."""
    if outcome.state is not None:
        return outcome.state, now
    [history] = await store.load([Query(tuple(decision.boundary(command)))])
    state, time = decision.initial, now
    for stored in history:
        if stored.position < outcome.positions[0]:
            state = decision.evolve(state, stored.decode())
        elif stored.position == outcome.positions[0]:
            time = stored.time
    return state, time
