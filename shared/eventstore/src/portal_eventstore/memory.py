"""How does an event store behave, with nothing but memory behind it? For specs and unit tests."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from portal_events.stored import StoredEvent
from portal_eventstore.store import Append, Found, Query, Session, Verdict


class MemoryStore:
    """An EventStore that forgets when the process ends."""

    generation = 0

    def __init__(self, owner: str) -> None:
        """Begin empty; `owner` is the service whose events these are."""
        self.owner = owner
        self._events: list[StoredEvent] = []
        self._by_tag: dict[str, list[int]] = {}
        self._lock = asyncio.Lock()

    async def read(self, queries: Sequence[Query]) -> list[list[Found]]:
        """Answer all queries from one state of the log."""
        return [
            [Found(e.position, e.type, e.version, e.data) for e in self._select(query)] for query in queries
        ]

    async def load(self, queries: Sequence[Query]) -> list[list[StoredEvent]]:
        """Answer like `read`, with metadata."""
        return [self._select(query) for query in queries]

    async def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Judge every group against the log before any of them is added."""
        async with self._lock:
            return self._append(appends)

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[Session]:
        """Keep every other append waiting until the block ends."""
        async with self._lock:
            yield _Exclusive(self)

    async def tail(self, after: int, limit: int) -> list[StoredEvent]:
        """Return the next events above `after`."""
        return self._events[after : after + limit]

    async def head(self) -> int:
        """Return the highest position."""
        return len(self._events)

    def _select(self, query: Query) -> list[StoredEvent]:
        positions = {
            position
            for criterion in query.criteria
            for position in self._by_tag.get(criterion.tag, ())
            if position > query.after
            and (not criterion.types or self._events[position - 1].type in criterion.types)
        }
        return [self._events[position - 1] for position in sorted(positions)]

    def _append(self, appends: Sequence[Append]) -> list[Verdict]:
        stale = {a.group for a in appends if any(self._select(query) for query in a.unless)}
        return [None if append.group in stale else tuple(self._add(append)) for append in appends]

    def _add(self, append: Append) -> list[int]:
        positions = []
        for new in append.events:
            position = len(self._events) + 1
            self._events.append(
                StoredEvent(
                    owner=self.owner,
                    position=position,
                    id=new.id,
                    type=new.type,
                    version=new.version,
                    tags=new.tags,
                    data=new.data,
                    time=new.time,
                    metadata=new.metadata,
                )
            )
            for tag in new.tags:
                self._by_tag.setdefault(tag, []).append(position)
            positions.append(position)
        return positions


class _Exclusive:
    """The store while its append lock is held by one caller."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def read(self, queries: Sequence[Query]) -> list[list[Found]]:
        return await self._store.read(queries)

    async def append(self, appends: Sequence[Append]) -> list[Verdict]:
        return self._store._append(appends)  # noqa: SLF001  the lock is held by `exclusive`
