"""What does a caller hand over with a command, and what does it get back?"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from portal_events.base import Event
from portal_eventstore.decision import Criterion, Decision
from portal_eventstore.store import Query

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Request:
    """An Idempotency-Key, made opaque: `tag` is `request:` and an HMAC, `body_hash` an HMAC of the body."""

    tag: str
    body_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who commands, when, and as part of what.

    `time` is the decision's clock, UTC. `actor` is an account id or `system:<name>`. `causation_id` is the
    event that led to the command; without one it is the request itself, `correlation_id`. `key` is the
    data key of the patient whose sensitive fields the events carry.
    """

    time: datetime
    actor: str
    correlation_id: UUID
    causation_id: UUID | None = None
    request: Request | None = None
    key: bytes | None = field(default=None, repr=False)
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S]):
    """What became of a command that was not refused.

    `events` were appended by it, or, when `repeated`, by the first request with this key; they are empty when
    it was already so. `state` is what was decided on, None when repeated.
    """

    events: tuple[Event, ...]
    ids: tuple[UUID, ...]
    positions: tuple[int, ...]
    state: S | None
    repeated: bool = False


@dataclass(slots=True, eq=False)
class Waiting:
    """A command in the queue. Without a decision it is `ready`: events and their condition came with it."""

    context: Context
    future: "asyncio.Future[Outcome[Any]]"
    decide: Callable[[Any], Sequence[Event]]
    decision: Decision[Any, Any] | None
    boundary: tuple[Criterion, ...]
    unless: tuple[Query, ...] = ()
    rounds: int = 0

    def contended(self, written: Collection[str]) -> list[str]:
        """Return the tags that another command must share to stand in this one's way.

        `written`: the types that are ever appended here. What is only read, as a catalogue, may be shared.
        """
        criteria = [*self.boundary, *(criterion for query in self.unless for criterion in query.criteria)]
        tags = [c.tag for c in criteria if not c.types or any(t in written for t in c.types)]
        if self.context.request is not None:
            tags.append(self.context.request.tag)
        return tags
