"""What is a decision, which facts does it rest on, and how does it refuse?

A decision reads the events that its `boundary` selects, folds them with `evolve`, and `decide`s on the state;
its events are appended only if nothing that the boundary selects was added since (https://dcb.events).
All three are pure: no clock, no randomness, no I/O; time and new ids arrive inside the command.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from portal_events.base import Event

C = TypeVar("C")
S = TypeVar("S")

_TAG = re.compile(r"[!-~]{3,200}")


@dataclass(frozen=True, slots=True)
class Criterion:
    """Selects events that carry `tag` and are of one of `types`; of any type when `types` is empty.

    Types are names without version, so that a newer producer's event is never overlooked.
    """

    tag: str
    types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a tag that the store and the wire, which separate tags by spaces, could not carry."""
        if not _TAG.fullmatch(self.tag):
            raise ValueError("a tag is 3 to 200 printable ASCII characters without spaces")


def about(tag: str, types: Sequence[type[Event]] = ()) -> Criterion:
    """Select the events of these classes, in any version, that carry `tag`."""
    return Criterion(tag, tuple(sorted(cls.__name__ for cls in types)))


@dataclass(frozen=True)
class Decision(Generic[C, S]):
    """One command's rule. `initial` and every state are immutable; `evolve` never refuses.

    `decide` returns events, `[]` when it is already so, or raises a Refusal.
    """

    boundary: Callable[[C], Sequence[Criterion]]
    initial: S
    evolve: Callable[[S, Event], S]
    decide: Callable[[C, S], Sequence[Event]]


class Refusal(Exception):
    """A decision's no, with a stable `code` and a `title` for people (RFC 9457), and the HTTP status."""

    code: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]

    def __init__(self, detail: str | None = None) -> None:
        """Take an explanation of this case; it must hold no personal data."""
        super().__init__(detail or self.title)
        self.detail = detail


class NotFound(Refusal):
    """Absent, or not yours: the two look the same from outside."""

    status = 404


class Conflict(Refusal):
    """Others' facts or one's own stand against it."""

    status = 409


class Forbidden(Refusal):
    """The level or the role does not allow it."""

    status = 403


class Lapsed(Refusal):
    """It was there, and its time is over."""

    status = 410


class Malformed(Refusal):
    """The command itself cannot be carried out as it stands."""

    status = 422


class IdempotencyKeyReused(Malformed):
    """The same Idempotency-Key came with another body."""

    code = "idempotency-key-reused"
    title = "This Idempotency-Key was already used for another request"


class TooMany(Refusal):
    """Too often in too short a time: `retry_after` seconds later it is allowed again (RFC 6585, 4)."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        """Take the seconds to wait."""
        super().__init__()
        self.retry_after = retry_after


class Unavailable(Refusal):
    """Not now: `retry_after` seconds later it may work (RFC 9110, 10.2.3)."""

    status = 503
    retry_after: ClassVar[int] = 1


class StoreUnavailable(Unavailable):
    """The event store cannot take or read events at the moment."""

    code = "store-unavailable"
    title = "The service cannot store changes at the moment"


class KeyUnavailable(Unavailable):
    """The patient's data key has not arrived here yet."""

    code = "key-unavailable"
    title = "The service is not ready for this patient yet"


class ConditionFailed(Conflict):
    """Something that a ready-made append was not to follow has been added."""

    code = "condition-failed"
    title = "The facts have changed"
