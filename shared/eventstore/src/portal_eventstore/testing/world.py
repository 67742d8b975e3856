"""A small world for the store's tests: things that may be taken once, counters that only grow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid4

from portal_events.base import Event
from portal_events.stored import Metadata
from portal_eventstore.command import Context, Request
from portal_eventstore.decision import Conflict, Criterion, Decision, about
from portal_eventstore.store import Append, NewEvent, Query

NOW = datetime(2026, 3, 28, 10, 0, tzinfo=UTC)


class ExampleEvent(Event):
    """An event that no service owns."""

    OWNER: ClassVar[str] = "example"


class ThingTaken(ExampleEvent):
    """A person took a thing that only one can have."""

    SUBJECT: ClassVar[str] = "person_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("thing_id", "person_id")

    thing_id: UUID
    person_id: UUID
    note: str = ""


class AlreadyTaken(Conflict):
    """Somebody else was first."""

    code = "already-taken"
    title = "Somebody else was first"


@dataclass(frozen=True)
class Take:
    """Take a thing."""

    thing_id: UUID
    person_id: UUID
    note: str = ""


def _boundary(command: Take) -> Sequence[Criterion]:
    return [about(f"thing:{command.thing_id}", (ThingTaken,))]


def _last_owner(owner: UUID | None, event: Event) -> UUID | None:
    return event.person_id if isinstance(event, ThingTaken) else owner


def _take(command: Take, owner: UUID | None) -> list[Event]:
    if owner is None:
        return [ThingTaken(thing_id=command.thing_id, person_id=command.person_id, note=command.note)]
    if owner == command.person_id:
        return []
    raise AlreadyTaken


TAKE: Decision[Take, UUID | None] = Decision(_boundary, None, _last_owner, _take)


def _count(seen: int, _: Event) -> int:
    return seen + 1


def _add(command: Take, seen: int) -> list[Event]:
    return [ThingTaken(thing_id=command.thing_id, person_id=command.person_id, note=str(seen))]


COUNT: Decision[Take, int] = Decision(_boundary, 0, _count, _add)
"""Never refuses; the note tells how many came before."""


def context(request: Request | None = None, time: datetime = NOW) -> Context:
    """Return somebody's context."""
    return Context(time=time, actor="system:test", correlation_id=uuid4(), request=request)


def thing(thing_id: UUID) -> tuple[Criterion, ...]:
    """Select everything about one thing."""
    return (about(f"thing:{thing_id}"),)


def append(*things: UUID, unless: Sequence[Query] = (), data: str = "{}", group: int = 0) -> Append:
    """Return an Append of one event a thing."""
    events = tuple(
        NewEvent(
            id=uuid4(),
            type="ThingTaken",
            version=1,
            tags=(f"thing:{thing_id}",),
            data=data,
            time=NOW,
            metadata=Metadata(
                subject=thing_id,
                actor="system:test",
                correlation_id=uuid4(),
                append_id=uuid4(),
                append_size=len(things),
            ),
        )
        for thing_id in things
    )
    return Append(events, tuple(unless), group)
