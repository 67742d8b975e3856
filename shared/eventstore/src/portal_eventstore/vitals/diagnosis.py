"""What is wrong with a service, judging by one look after another?

Pure: looks and clocks come in. `failing` keeps the process from its work, and makes it not ready; `degraded`
is seen and told, and the process goes on (docs/operations.md says which is which, and why).
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from portal_eventstore.vitals.signs import Backend, LogSigns, Signs, ViewSigns

BLOCKED_SECONDS: Final = 2.0
"""The append lock is held for one statement: whoever has it for longer keeps everybody from writing."""

STALLED_SECONDS: Final = 5.0
OLD_SECONDS: Final = 30.0
MANY_EVENTS: Final = 10_000


class Reading(NamedTuple):
    """When a look was taken: `clock` only goes forward, `time` is in seconds since 1970."""

    clock: float
    time: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What a look says together with those before it."""

    signs: Signs
    lock_held: float
    """Seconds for which the present holder is known to have had the append lock."""
    oldest: float
    """Age of the oldest unpublished event, in seconds."""
    unmoved: float
    """Seconds for which events have waited and none was published."""
    ages: dict[str, float]
    """Of each view the seconds since it was last complete."""
    failing: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()

    @property
    def blocked(self) -> bool:
        """Tell whether the append lock is kept."""
        return self.lock_held >= BLOCKED_SECONDS

    @property
    def stalled(self) -> bool:
        """Tell whether the relay does not get on."""
        return self.unmoved >= STALLED_SECONDS


@dataclass
class Diagnosis:
    """Remembers what it takes to judge the next look."""

    service: str
    began: Reading
    _holder: tuple[Backend, float] | None = None
    _moved: tuple[int, float] | None = None

    def take(self, signs: Signs, now: Reading) -> Findings:
        """Judge a look."""
        ages = {view.name: self._age(view, now) for view in signs.views}
        views = [
            *(_behind(view, ages[view.name]) for view in signs.views if ages[view.name] > OLD_SECONDS),
            *(f"view {view.name}: {view.parked} records are parked" for view in signs.views if view.parked),
        ]
        log = signs.log
        if log is None:
            return Findings(signs, 0.0, 0.0, 0.0, ages, degraded=tuple(views))
        found = Findings(
            signs,
            self._lock_held(log.lock_holder, now.clock),
            0.0 if log.oldest is None else max(now.time - log.oldest, 0.0),
            self._unmoved(log, now.clock),
            ages,
        )
        return replace(
            found,
            failing=(*_blocked(self.service, log, found), *_stalled(self.service, log, found)),
            degraded=(*_growing(self.service, log, found), *views),
        )

    def _lock_held(self, holder: Backend | None, clock: float) -> float:
        # A session's next transaction has another beginning; what it waited for before it had the lock does
        # not count, because nobody can tell that from outside.
        if holder is None or self._holder is None or not _same(holder, self._holder[0]):
            self._holder = None if holder is None else (holder, clock)
            return 0.0
        return clock - self._holder[1]

    def _unmoved(self, log: LogSigns, clock: float) -> float:
        if log.oldest is None or self._moved is None or self._moved[0] != log.published:
            self._moved = (log.published, clock)
        return clock - self._moved[1]

    def _age(self, view: ViewSigns, now: Reading) -> float:
        if view.fresh_at is None:
            return now.clock - self.began.clock
        return max(now.time - view.fresh_at.timestamp(), 0.0)


def _same(one: Backend, other: Backend) -> bool:
    return (one.pid, one.started, one.transaction) == (other.pid, other.started, other.transaction)


def _blocked(service: str, log: LogSigns, found: Findings) -> list[str]:
    if not found.blocked:
        return []
    held = f"{log.lock_holder} has had it for {found.lock_held:.0f} s"
    waiting = f"; {log.lock_waiting} wait" if log.lock_waiting else ""
    return [f"append lock of {service}: {held}, nothing can be written{waiting}"]


def _stalled(service: str, log: LogSigns, found: Findings) -> list[str]:
    if not found.stalled:
        return []
    owner = "no relay owns the log" if log.owner is None else f"{log.owner} owns the log"
    still = f"none was published for {found.unmoved:.0f} s"
    return [f"relay of {service}: {log.backlog} events wait, {still}; {owner}"]


def _growing(service: str, log: LogSigns, found: Findings) -> list[str]:
    if found.oldest <= OLD_SECONDS and (log.oldest is None or log.backlog <= MANY_EVENTS):
        return []
    return [f"relay of {service}: {log.backlog} events wait, the oldest for {found.oldest:.0f} s"]


def _behind(view: ViewSigns, age: float) -> str:
    behind = "" if view.behind is None else f", {view.behind} records behind"
    if view.fresh_at is None:
        return f"view {view.name}: not complete yet{behind}"
    return f"view {view.name}: complete up to {_instant(view.fresh_at)} only, {age:.0f} s ago{behind}"


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
