"""What stands beside an event in the store and on the wire?"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal_events.base import Event, decode


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who caused an event, in which append, answering which request. Opaque ids only.

    `actor`: the account, or `system:<name>`. `request_hash`: HMAC of the request's body, where the request
    had an Idempotency-Key. `append_size`: how many events were appended together under `append_id`.
    """

    subject: UUID
    actor: str
    correlation_id: UUID
    append_id: UUID
    append_size: int
    causation_id: UUID | None = None
    request_hash: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as its owner's store keeps it: `data` is JSON with sensitive fields sealed.

    `position`: unique and rising within the owner, in commit order. `time`: the decision's own clock, UTC.
    `tags`: the payload's, and `request:` where one was given.
    """

    owner: str
    position: int
    id: UUID
    type: str
    version: int
    tags: tuple[str, ...]
    data: str
    time: datetime
    metadata: Metadata

    def decode(self) -> Event:
        """Return the event, brought up to the version that this process knows."""
        return decode(self.owner, self.type, self.version, self.data)
