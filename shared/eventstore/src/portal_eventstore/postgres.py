"""How does the event store live in PostgreSQL?

One call of `append_batch` is one autocommitted statement and one WAL flush for many commands; the append lock
that it holds through commit makes commit order position order (docs/decisions/0002).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from portal_events.stored import StoredEvent
from portal_eventstore.decision import StoreUnavailable
from portal_eventstore.guard.guard import StoreGuard
from portal_eventstore.guard.identity import Connected, connected_to
from portal_eventstore.metadata import metadata_to_json, stored_event
from portal_eventstore.store import Append, Found, Query, Session, Verdict

MIGRATIONS: Final = Path(__file__).with_name("migrations")

_RESEND_SECONDS = 10.0
APPEND_LOCK = 7305808869231650892
"""The key of the append lock, as in append_batch."""

# Arrays travel as one text each and are split by the server: asyncpg asks every element of an array argument
# whether it is a container, which took a tenth of the client's time. JSON escapes the separator U+001E.
_SEPARATOR = "\x1e"
_ANY_TYPE = "*"

APPEND = """
select append_batch($1,
    string_to_array($2, ' ')::int[], $3, string_to_array($4, ' '), string_to_array($5, ' ')::smallint[],
    string_to_array($6, e'\\x1e'), string_to_array($7, e'\\x1e'), $8, string_to_array($9, e'\\x1e'),
    string_to_array($10, ' ')::int[], string_to_array($11, ' '), string_to_array($12, e'\\x1e'),
    string_to_array($13, ' ')::bigint[])
"""

_MATCH = """
from unnest(string_to_array($1, ' ')::int[], string_to_array($2, ' '), string_to_array($3, e'\\x1e'),
    string_to_array($4, ' ')::bigint[]) as q (query, tag, types, after)
join event_tag t on t.tag = q.tag and t.position > q.after
    and (q.types = '*' or t.type = any (string_to_array(q.types, ' ')))
join event e on e.position = t.position
order by q.query, e.position
"""
_READ = "select q.query, e.position, e.type, e.version, e.data" + _MATCH
_COLUMNS = "e.position, e.id, e.type, e.version, e.tags, e.data, e.time, e.metadata"
_LOAD = "select q.query, " + _COLUMNS + _MATCH
TAIL = f"select {_COLUMNS} from event e where e.position > $1 order by 1 limit $2"  # noqa: S608
HEAD = "select coalesce(max(position), 0) from event"

_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # The server ended an idle connection and the driver has not noticed yet ("… in the failed state").
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    OSError,
)
"""The connection broke: whether the statement committed is not known."""

_REFUSED = (
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.ReadOnlySQLTransactionError,
    # The database is gone, or has no tables yet: it is being restored.
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedFunctionError,
)
"""The server cannot at the moment: disk full, no connection free, the lock not had in time, a replica."""


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection that is not reset when it goes back to the pool: the store leaves no session state.

    The reset query costs a round trip an append (28% of the rate of one client).
    """

    _connected: Connected | None = None

    def get_reset_query(self) -> str:
        return ""

    async def connected(self, *, anew: bool = False) -> Connected:
        """Return which store this leads to, asked once unless `anew`."""
        if self._connected is None or anew:
            self._connected = await connected_to(self)
        return self._connected


class _Session:
    """Reads and appends on one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def read(self, queries: Sequence[Query]) -> list[list[Found]]:
        answers: list[list[Found]] = [[] for _ in queries]
        for query, position, type_, version, data in await self._connection.fetch(_READ, *_criteria(queries)):
            answer = answers[query]
            # An event that two criteria of a query select comes twice, side by side.
            if not answer or answer[-1].position != position:
                answer.append(Found(position, type_, version, data))
        return answers

    async def append(self, appends: Sequence[Append], *, resend: bool = False) -> list[Verdict]:
        if not appends:
            return []
        positions = await self._connection.fetchval(
            APPEND, resend, *events_arguments(appends), *conditions_arguments(appends)
        )
        accepted: set[int] = set()
        taken: list[tuple[int, ...]] = []
        first = 0
        for append in appends:
            taken.append(tuple(positions[first : first + len(append.events)]))
            first += len(append.events)
            if taken[-1] and taken[-1][0] is not None:
                accepted.add(append.group)
        return [p if a.group in accepted else None for a, p in zip(appends, taken, strict=True)]


class _ExclusiveSession(_Session):
    """Reads and one append under the append lock; the append commits before anybody hears of it."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._transaction = connection.transaction()
        self._open = False

    async def begin(self) -> None:
        await self._transaction.start()
        self._open = True
        await self._connection.execute("select pg_advisory_xact_lock($1)", APPEND_LOCK)

    async def append(self, appends: Sequence[Append], *, resend: bool = False) -> list[Verdict]:
        verdicts = await super().append(appends, resend=resend)
        self._open = False
        await self._transaction.commit()
        return verdicts

    async def end(self) -> None:
        if self._open:
            self._open = False
            await self._transaction.rollback()


class PostgresStore:
    """An EventStore in one service's database."""

    def __init__(self, pool: Any, owner: str, guard: StoreGuard | None = None) -> None:
        """Use `connect` instead, which sets the pool up as the store needs it."""
        self._pool = pool
        self._guard = guard
        self.owner = owner

    @property
    def generation(self) -> int:
        """Count the stores that have stood here."""
        return 0 if self._guard is None else self._guard.generation

    @classmethod
    async def connect(cls, database_url: str, owner: str, guard: StoreGuard | None = None) -> "PostgresStore":
        """Open the store's own few connections; its tables come from MIGRATIONS.

        Where there is a `guard`, nothing is appended but to a store that it admits.
        """
        pool = await asyncpg.create_pool(
            database_url,
            min_size=0,  # connects when first used: a start waits for no database
            max_size=4,
            connection_class=_Connection,
            server_settings={
                "application_name": f"{owner} event store",
                # The same few statements for ever: planned once, by index, whatever the statistics say.
                "plan_cache_mode": "force_generic_plan",
                "enable_seqscan": "off",
                "enable_hashjoin": "off",
                "enable_mergejoin": "off",
                "jit": "off",
                "statement_timeout": "10s",
                "lock_timeout": "5s",
                # A client that stops inside `exclusive` must not keep the append lock.
                "idle_in_transaction_session_timeout": "2s",
            },
        )
        return cls(pool, owner, guard)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def read(self, queries: Sequence[Query]) -> list[list[Found]]:
        """Answer all queries from one snapshot, in one round trip."""
        found: list[list[Found]] = await self._retrying(
            lambda connection, _: _Session(connection).read(queries)
        )
        return found

    async def append(self, appends: Sequence[Append]) -> list[Verdict]:
        """Append in one statement; when the connection breaks, ask again with the same event ids."""
        generation = self.generation

        async def ask(connection: Any, again: bool) -> list[Verdict]:  # noqa: FBT001
            await self._require_admitted(connection, generation)
            return await _Session(connection).append(appends, resend=again)

        verdicts: list[Verdict] = await self._retrying(ask)
        return verdicts

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[Session]:
        """Hold the append lock in a transaction; bounded by idle_in_transaction_session_timeout."""
        try:
            async with self._pool.acquire(timeout=_RESEND_SECONDS) as connection:
                await self._require_admitted(connection, self.generation)
                session = _ExclusiveSession(connection)
                await session.begin()
                try:
                    yield session
                finally:
                    await session.end()
        except (*_LOST, *_REFUSED) as error:
            raise StoreUnavailable from error

    async def load(self, queries: Sequence[Query]) -> list[list[StoredEvent]]:
        """Answer like `read`, with metadata."""
        rows = await self._retrying(lambda connection, _: connection.fetch(_LOAD, *_criteria(queries)))
        answers: list[list[StoredEvent]] = [[] for _ in queries]
        for row in rows:
            answer = answers[row["query"]]
            if not answer or answer[-1].position != row["position"]:
                answer.append(stored_event(self.owner, row))
        return answers

    async def tail(self, after: int, limit: int) -> list[StoredEvent]:
        """Return the next events above `after`, in order; nothing fills in below them later."""
        rows = await self._retrying(lambda connection, _: connection.fetch(TAIL, after, limit))
        return [stored_event(self.owner, row) for row in rows]

    async def head(self) -> int:
        """Return the highest position, 0 when empty."""
        head: int = await self._retrying(lambda connection, _: connection.fetchval(HEAD))
        return head

    async def _require_admitted(self, connection: Any, generation: int) -> None:
        """Refuse a store that was not compared, or took the place of the one that was read before."""
        guard = self._guard
        if guard is None:
            return
        if not guard.admits(await connection.connected()) and not await guard.admits_soon(
            await connection.connected(anew=True)
        ):
            raise StoreUnavailable
        if generation != guard.generation:
            raise StoreUnavailable

    async def _retrying(self, ask: Any) -> Any:
        """Run `ask(connection, again)`; while the connection breaks, again on a new one, for a while."""
        deadline = asyncio.get_running_loop().time() + _RESEND_SECONDS
        pause = 0.05
        again = False
        while True:
            try:
                async with self._pool.acquire(timeout=_RESEND_SECONDS) as connection:
                    return await ask(connection, again)
            except (*_REFUSED, TimeoutError) as error:
                raise StoreUnavailable from error
            except _LOST as error:
                if asyncio.get_running_loop().time() + pause > deadline:
                    raise StoreUnavailable from error
            again = True
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)


def _criteria(queries: Sequence[Query]) -> tuple[str, ...]:
    return _criteria_texts([(number, query) for number, query in enumerate(queries)])


def conditions_arguments(appends: Sequence[Append]) -> tuple[str, ...]:
    """Return the arguments of append_batch that describe the conditions."""
    return _criteria_texts([(append.group, query) for append in appends for query in append.unless])


def _criteria_texts(queries: Sequence[tuple[int, Query]]) -> tuple[str, ...]:
    rows = [(number, criterion, query.after) for number, query in queries for criterion in query.criteria]
    return (
        " ".join([str(number) for number, _, _ in rows]),
        " ".join([criterion.tag for _, criterion, _ in rows]),
        _SEPARATOR.join([" ".join(criterion.types) or _ANY_TYPE for _, criterion, _ in rows]),
        " ".join([str(after) for _, _, after in rows]),
    )


def events_arguments(appends: Sequence[Append]) -> tuple[Any, ...]:
    """Return the arguments of append_batch that describe the events."""
    events = [event for append in appends for event in append.events]
    return (
        " ".join([str(append.group) for append in appends for _ in append.events]),
        [event.id for event in events],
        " ".join([event.type for event in events]),
        " ".join([str(event.version) for event in events]),
        _SEPARATOR.join([" ".join(event.tags) for event in events]),
        _SEPARATOR.join([event.data for event in events]),
        [event.time for event in events],
        _SEPARATOR.join([metadata_to_json(event.metadata) for event in events]),
    )
