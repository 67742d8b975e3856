"""How are a service's log, relay and views at this moment, as its database tells it?

Two cheap statements, which any session of the service may run; nothing here judges (diagnosis.py does).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from portal_eventstore.postgres import APPEND_LOCK, HEAD
from portal_eventstore.relay.publish import OWNERSHIP_LOCK
from portal_eventstore.vitals.unpublished import OLDEST, appended_at

# Of another role's sessions PostgreSQL tells no more than whose they are.
_LOG: Final = f"""
select ({HEAD}) as head, r.published, oldest.id as oldest, held.key, held.granted, a.pid, a.usename,
    a.application_name, a.state, a.state_change, a.xact_start, a.backend_start
from relay r
left join ({OLDEST}) oldest on true
left join (
    select (l.classid::bigint << 32) | l.objid::bigint as key, l.granted, l.pid from pg_locks l
    where l.locktype = 'advisory' and l.objsubid = 1
    and l.database = (select oid from pg_database where datname = current_database())
) held on held.key = any ($1::bigint[])
left join pg_stat_activity a on a.pid = held.pid
"""  # noqa: S608  our own statements
_VIEWS: Final = """
select v.view, v.edition, p.behind, p.fresh_at, p.parked, b.done, b.total
from projection_view v
left join lateral (
    select sum(greatest(end_offset - next_offset, 0))::bigint as behind,
        case when bool_and(fresh_at is not null) then min(fresh_at) end as fresh_at,
        sum(parked)::bigint as parked
    from projection_position where view = v.view
) p on true
left join projection_build b on b.view = v.view and b.build = v.view || '_next'
where v.view = any ($1)
"""


@dataclass(frozen=True, slots=True)
class Backend:
    """A session of the server."""

    pid: int
    user: str
    application: str
    state: str | None
    since: datetime | None
    transaction: datetime | None
    started: datetime | None

    def __str__(self) -> str:
        state = self.state or "state not shown"
        since = "" if self.since is None else f" since {self.since:%H:%M:%S}Z"
        return f"{self.application or self.user} (backend {self.pid}, {state}{since})"


@dataclass(frozen=True, slots=True)
class LogSigns:
    """A log and its relay: `oldest` is when the first unpublished event was appended, in seconds since 1970.

    `lock_holder` holds the append lock, `lock_waiting` sessions wait for it; `owner` is the relay's session.
    """

    head: int
    published: int
    oldest: float | None
    owner: Backend | None
    lock_holder: Backend | None
    lock_waiting: int

    @property
    def backlog(self) -> int:
        """Count what waits; positions that a refused batch left unused count as well."""
        return max(self.head - self.published, 0)


@dataclass(frozen=True, slots=True)
class ViewSigns:
    """A view, over all its partitions.

    `behind`: records that it has not applied, as far as Kafka's end was looked at; `fresh_at`: when it had
    all; `parked`: records that wait in the table; `built`: how far a build of other tables is, from 0 to 1.
    """

    name: str
    edition: str | None = None
    behind: int | None = None
    fresh_at: datetime | None = None
    parked: int = 0
    built: float | None = None


@dataclass(frozen=True, slots=True)
class Signs:
    """One look. `log` is None for a service that keeps none."""

    log: LogSigns | None
    views: tuple[ViewSigns, ...]


async def look(connection: Any, views: Sequence[str], *, keeps_log: bool) -> Signs:
    """Look at everything now."""
    log = _log(await connection.fetch(_LOG, [APPEND_LOCK, OWNERSHIP_LOCK])) if keeps_log else None
    found = {row["view"]: row for row in await connection.fetch(_VIEWS, list(views))} if views else {}
    return Signs(log, tuple(_view(name, found.get(name)) for name in views))


def _log(rows: Sequence[Any]) -> LogSigns:
    first = rows[0]
    held = {row["key"]: _backend(row) for row in rows if row["granted"]}
    return LogSigns(
        first["head"],
        first["published"],
        None if first["oldest"] is None else appended_at(first["oldest"]),
        held.get(OWNERSHIP_LOCK),
        held.get(APPEND_LOCK),
        sum(row["key"] == APPEND_LOCK and not row["granted"] for row in rows),
    )


def _backend(row: Any) -> Backend | None:
    if row["pid"] is None:
        return None
    return Backend(
        row["pid"],
        row["usename"] or "",
        row["application_name"] or "",
        row["state"],
        row["state_change"],
        row["xact_start"],
        row["backend_start"],
    )


def _view(name: str, row: Any) -> ViewSigns:
    if row is None:
        return ViewSigns(name)
    built = None if row["total"] is None else min(row["done"] / max(row["total"], 1), 1.0)
    return ViewSigns(name, row["edition"], row["behind"], row["fresh_at"], row["parked"] or 0, built)
