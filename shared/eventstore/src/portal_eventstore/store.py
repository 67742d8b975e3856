"""What must every event store do, and what passes between it and those who decide?

Positions rise in commit order: whoever reads "position greater than the last" misses nothing.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from portal_events.stored import Metadata, StoredEvent
from portal_eventstore.decision import Criterion

MAX_EVENT_BYTES = 900_000
"""Kafka refuses a record over 1 MB (message.max.bytes); what cannot be published must not be stored."""


@dataclass(frozen=True, slots=True)
class Query:
    """The events that any of `criteria` selects, above position `after`."""

    criteria: tuple[Criterion, ...]
    after: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What a decision needs of an event."""

    position: int
    type: str
    version: int
    data: str


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event ready to be appended: sealed, encoded, with its id."""

    id: UUID
    type: str
    version: int
    tags: tuple[str, ...]
    data: str
    time: datetime
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class Append:
    """Events to append, on the conditions that nothing was added to these queries.

    Appends of one call with the same `group` stand or fall together; a group has at least one event.
    """

    events: tuple[NewEvent, ...]
    unless: tuple[Query, ...] = ()
    group: int = 0


Verdict = tuple[int, ...] | None
"""The positions of an Append's events, or None when one of its conditions went stale."""


class Session(Protocol):
    """Reading for decisions and appending."""

    async def read(self, queries: Sequence[Query]) -> list[list[Found]]:
        """Answer all queries from one snapshot; each answer by position, without doubles."""

    async def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Judge every group by itself and commit the accepted ones together, in the order given.

        Raises StoreUnavailable when it is not known to be stored; anything else means that one of the
        appends is bad and nothing was stored.
        """


class EventStore(Session, Protocol):
    """One service's log."""

    owner: str

    @property
    def generation(self) -> int:
        """Count the stores that have stood here: after a restore it is another one.

        What was read of one is of no use for the next; `append` refuses when it changes while it waits.
        """

    def exclusive(self) -> AbstractAsyncContextManager[Session]:
        """Hold the append lock over reads and one append, for a boundary that is too hot to win otherwise.

        The append commits and gives the lock back: what it returned is stored, as outside.
        """

    async def load(self, queries: Sequence[Query]) -> list[list[StoredEvent]]:
        """Answer like `read`, with everything that stands beside the events."""

    async def tail(self, after: int, limit: int) -> list[StoredEvent]:
        """Return the next events above `after`, at most `limit`, in order."""

    async def head(self) -> int:
        """Return the highest position, 0 when empty."""
