"""What did a client ask of the portal, when, and what is known of the answer?

An attempt is one request. Instants are of the machine's monotonic clock: clients of one machine share it,
whatever is done to its calendar clock.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What was asked for."""

    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    HOLD = "hold"
    RELEASE = "release"
    READ = "read"
    """The patient's own appointments that stand: a view follows the log, so it may show an earlier state."""


class Outcome(StrEnum):
    """What is known: done, refused with a problem code, or not known (5xx, time-out, broken connection)."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """An offer of a doctor's time; instants in seconds since 1970."""

    slot: str
    doctor: str
    service: str
    starts_at: float
    ends_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One attempt. `id` is the trace id that the request carried, and so the correlation id of its event.

    `slot`, `appointment`, `hold`: what was asked about. `key`: the Idempotency-Key, which repeats share.
    `result`: the id of the appointment or hold in the answer; of a read, the appointments that it showed.
    `expires_at`: of an acknowledged hold, seconds since 1970.
    """

    id: str
    client: int
    patient: str
    kind: Kind
    invoked_at: float
    returned_at: float
    outcome: Outcome
    slot: str | None = None
    appointment: str | None = None
    hold: str | None = None
    key: str | None = None
    code: str | None = None
    result: str | None = None
    shown: tuple[str, ...] = ()
    expires_at: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what a line holds; what is not there is left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "Operation":
        """Read a line."""
        told = {**line, "kind": Kind(line["kind"]), "outcome": Outcome(line["outcome"])}
        return cls(**{**told, "shown": tuple(line.get("shown", ()))})
