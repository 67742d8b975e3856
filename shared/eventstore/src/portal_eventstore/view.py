"""What is a view: which records does it read, and how do they become rows?

A slice declares a `Projection`; `view_of` makes it a `View`, which consuming, rebuilding and verifying share.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, Generic, NamedTuple, TypeVar

from msgspec import MsgspecError
from pydantic import ValidationError

from portal_events.base import Event, UnknownEventError, decode
from portal_events.cloudevents import Head, RecordMalformedError, head_of
from portal_events.fields import fields_reader
from portal_events.stored import StoredEvent
from portal_eventstore.kafka import Incoming

T = TypeVar("T")

NO_ROWS: Final = ""
"""The table of what keeps no rows: a reaction, which is never run again for what is past."""

Rows = Mapping[str, Sequence[tuple[Any, ...]]]
"""Of each table the rows to add, in the order of its columns."""


class MalformedRecordError(Exception):
    """A record that no version of ours can have written. The message holds no payload."""


class Parsed(NamedTuple, Generic[T]):
    """What a record says.

    `position`: the event's place in its owner's log, where it has one. `value`: None where the view does not
    handle it.
    """

    position: int | None
    value: T | None


@dataclass(frozen=True)
class Bulk(Generic[T]):
    """How a view's empty tables are filled.

    `rows` gets the whole history of some keys, each key's in order, and returns what is left of it in the
    end: the very rows that `apply` would have made of it, as far as these keys alone tell. `settle` is SQL
    for what only the rows of all keys tell; it runs once, after the indexes were made.
    """

    rows: Callable[[Sequence[T]], Rows]
    settle: str = ""


@dataclass(frozen=True)
class View(Generic[T]):
    """What is kept of some topics: how a record is read, and how values change the view's rows.

    `table` is idempotent SQL, without the name of a schema, as is all SQL of a view: where the tables are,
    the connection's search_path says. `shared_rows`: several keys touch a row, so that events of different
    keys cannot be taken apart: an event that cannot be applied stops the view. `parks`: such an event is
    put aside with the later ones of its key, copies of the records being kept, and the view goes on.
    `version` is raised when `apply` makes other rows of the same events than before.
    """

    name: str
    topics: tuple[str, ...]
    table: str
    parse: Callable[[Incoming], Parsed[T]]
    apply: Callable[[Any, Sequence[T]], Awaitable[None]]
    handles: tuple[str, ...] = ()
    version: int = 1
    shared_rows: bool = False
    parks: bool = False
    bulk: Bulk[T] | None = None

    @cached_property
    def edition(self) -> str:
        """Name what the rows look like and are made of: another edition means other tables, built anew."""
        told = (str(self.version), self.table, *sorted(self.topics), *sorted(self.handles))
        return hashlib.sha256("\0".join(told).encode()).hexdigest()[:12]


class Received(NamedTuple):
    """One event that a view handles, and the record that brought it.

    Of a view that is `only_fields`, `event` has the event's fields, ids as text, and nothing else.
    """

    topic: str
    partition: int
    offset: int
    stored: Head | StoredEvent
    event: Event


@dataclass(frozen=True)
class Projection:
    """A view over events.

    `apply` runs inside the transaction that moves the positions, with events in order within each partition.
    Types outside `events` are skipped undecoded; the position moves past them. `only_fields`: it needs no
    more of an event than fields that are not sensitive, read several times faster (portal_events.fields).
    The rest is as in `View`.
    """

    view: str
    topics: tuple[str, ...]
    events: tuple[type[Event], ...]
    table: str
    apply: Callable[[Any, Sequence[Received]], Awaitable[None]]
    version: int = 1
    shared_rows: bool = False
    bulk: Bulk[Received] | None = None
    only_fields: bool = False


def view_of(projection: Projection) -> View[Received]:
    """Return the view that a projection keeps, over CloudEvents records."""
    handled = {
        (cls.OWNER, cls.__name__): (cls.VERSION, _reader(cls, only_fields=projection.only_fields))
        for cls in projection.events
    }

    def parse(record: Incoming) -> Parsed[Received]:
        try:
            stored = head_of(record.topic, record.key, record.value, record.headers)
            known = handled.get((stored.owner, stored.type))
            if known is None:
                return Parsed(stored.position, None)
            event = _decoded(stored, *known)
        except (RecordMalformedError, UnknownEventError, MsgspecError, ValueError) as error:
            place = f"{record.topic}/{record.partition} offset {record.offset}"
            raise MalformedRecordError(f"malformed record {place}: {_wrong(error)}") from error
        return Parsed(stored.position, Received(record.topic, record.partition, record.offset, stored, event))

    return View(
        name=projection.view,
        topics=projection.topics,
        table=projection.table,
        parse=parse,
        apply=projection.apply,
        handles=tuple(cls.__name__ for cls in projection.events),
        version=projection.version,
        shared_rows=projection.shared_rows,
        parks=not projection.shared_rows,
        bulk=projection.bulk,
    )


def _reader(cls: type[Event], *, only_fields: bool) -> Callable[[int, bytes], Event]:
    return fields_reader(cls) if only_fields else partial(decode, cls.OWNER, cls.__name__)


def _decoded(stored: Head, known: int, read: Callable[[int, bytes], Event]) -> Event:
    if stored.version > known:
        # A fact is read by who knows all of it: what is new might change what the rest means.
        raise UnknownEventError(f"{stored.type}.v{stored.version} is newer than v{known}")
    return read(stored.version, stored.data)


def _wrong(error: Exception) -> str:
    """Say what is wrong with a record, but not what it holds: that may be a person's."""
    match error:
        case RecordMalformedError() | UnknownEventError():
            return str(error)
        case ValidationError():
            # Only a field's name and pydantic's name of the fault; what lies deeper may be the payload's.
            found = error.errors(include_url=False, include_context=False, include_input=False)
            told = [".".join(map(str, (*fault["loc"][:1], fault["type"]))) for fault in found[:3]]
            return f"ValidationError ({', '.join(told)})"
        case _:
            return type(error).__name__
