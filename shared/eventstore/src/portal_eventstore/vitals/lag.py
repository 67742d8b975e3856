"""How far are a service's relay and views behind at this moment?

Asked of PostgreSQL and Kafka themselves, so that it is known when no process of the service lives. What one
of them does not answer is left out, and said.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg

from portal_eventstore.history import LostHistoryError, SilentKafkaError, fences
from portal_eventstore.kafka import Partition, Range
from portal_eventstore.view import View
from portal_eventstore.vitals.diagnosis import BLOCKED_SECONDS, MANY_EVENTS, OLD_SECONDS
from portal_eventstore.vitals.signs import Backend, LogSigns, Signs, ViewSigns, look

T = TypeVar("T")

FOLLOWING: Final = "following"

_ANSWER_SECONDS: Final = 5.0
_PLACES: Final = """
select view, topic, partition, next_offset from projection_position where view = any ($1)
"""


class Behind(NamedTuple):
    """Where the next record of a partition is missing, and how many after it."""

    topic: str
    partition: int
    records: int


@dataclass(frozen=True, slots=True)
class ViewLag:
    """One view. `behind` is None where neither Kafka nor an earlier look tells it."""

    view: str
    state: str
    behind: int | None
    worst: Behind | None
    fresh_at: datetime | None
    age: float | None
    parked: int

    @property
    def well(self) -> bool:
        """Tell whether it needs nobody."""
        return self.state == FOLLOWING and not self.parked


@dataclass(frozen=True, slots=True)
class LogLag:
    """The log and its relay. `kept_by` has the append lock for longer than any statement of ours."""

    head: int
    published: int
    backlog: int
    oldest: float
    owner: str | None
    kept_by: str | None

    @property
    def well(self) -> bool:
        """Tell whether it needs nobody."""
        waits = self.backlog if self.oldest else 0
        return self.kept_by is None and self.oldest <= OLD_SECONDS and waits <= MANY_EVENTS


@dataclass(slots=True)
class Lag:
    """What could be asked; `unasked` says what could not, and why."""

    service: str
    log: LogLag | None = None
    views: list[ViewLag] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Tell whether nothing of what could be asked needs anybody."""
        return (self.log is None or self.log.well) and all(view.well for view in self.views)


async def measure(
    database_url: str, bootstrap_servers: str, service: str, views: Sequence[View[Any]], *, keeps_log: bool
) -> Lag:
    """Ask both servers, side by side."""
    lag = Lag(service)
    topics = sorted({topic for view in views for topic in view.topics})
    names = [view.name for view in views]
    asking = asyncio.create_task(
        _told(lag, "PostgreSQL", _database(database_url, names, keeps_log=keeps_log))
    )
    held = await asyncio.gather(
        *(_told(lag, topic, fences(bootstrap_servers, topic, patience=_ANSWER_SECONDS)) for topic in topics)
    )
    database = await asking
    if database is None:
        return lag
    signs, places = database
    ranges = {place: found for topic in held if topic is not None for place, found in topic.items()}
    now = datetime.now(UTC)
    lag.log = None if signs.log is None else _log(signs.log, now)
    by_name = {found.name: found for found in signs.views}
    lag.views = [_view(view, by_name[view.name], places.get(view.name, {}), ranges, now) for view in views]
    return lag


async def _told(lag: Lag, what: str, question: Awaitable[T]) -> T | None:
    try:
        return await question
    except (SilentKafkaError, LostHistoryError) as error:
        lag.unasked.append(f"{what}: {error}")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        lag.unasked.append(f"{what} does not answer ({type(error).__name__})")
    return None


async def _database(
    database_url: str, views: Sequence[str], *, keeps_log: bool
) -> tuple[Signs, dict[str, dict[Partition, int]]]:
    async with asyncio.timeout(_ANSWER_SECONDS):
        connection = await asyncpg.connect(
            database_url, server_settings={"application_name": "lag", "statement_timeout": "5s"}
        )
        try:
            signs = await look(connection, views, keeps_log=keeps_log)
            places: dict[str, dict[Partition, int]] = {}
            for view, topic, partition, offset in await connection.fetch(_PLACES, list(views)):
                places.setdefault(view, {})[topic, partition] = offset
        finally:
            await connection.close(timeout=_ANSWER_SECONDS)
    return signs, places


def _log(signs: LogSigns, now: datetime) -> LogLag:
    oldest = 0.0 if signs.oldest is None else max(now.timestamp() - signs.oldest, 0.0)
    holder = signs.lock_holder
    kept = holder is not None and _since(holder, now) > BLOCKED_SECONDS
    return LogLag(
        signs.head,
        signs.published,
        signs.backlog,
        oldest,
        None if signs.owner is None else str(signs.owner),
        str(holder) if kept else None,
    )


def _since(holder: Backend, now: datetime) -> float:
    began = holder.transaction or holder.since
    return 0.0 if began is None else (now - began).total_seconds()


def _view(
    view: View[Any],
    signs: ViewSigns,
    places: Mapping[Partition, int],
    ranges: Mapping[Partition, Range],
    now: datetime,
) -> ViewLag:
    known = {place: ranges[place] for place in places if place in ranges}
    missing = [Behind(*place, max(held.end - places[place], 0)) for place, held in known.items()]
    asked = bool(places) and len(known) == len(places)
    worst = max(missing, key=lambda each: each.records, default=None)
    age = None if signs.fresh_at is None else max((now - signs.fresh_at).total_seconds(), 0.0)
    lost = any(not held.begin <= places[place] <= held.end for place, held in known.items())
    return ViewLag(
        view.name,
        _state(view, signs, age, started=bool(places), lost=lost),
        sum(each.records for each in missing) if asked else signs.behind,
        worst if worst is not None and worst.records else None,
        signs.fresh_at,
        age,
        signs.parked,
    )


def _state(view: View[Any], signs: ViewSigns, age: float | None, *, started: bool, lost: bool) -> str:
    if signs.built is not None:
        return f"building, {signs.built:.0%}"
    if signs.edition is not None and signs.edition != view.edition:
        return "other edition"
    if not started:
        return "never started"
    if lost:
        return "stopped"
    return FOLLOWING if age is not None and age <= OLD_SECONDS else "behind"
