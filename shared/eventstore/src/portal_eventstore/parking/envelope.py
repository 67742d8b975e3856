"""What do a record's headers say about it, when the whole of it cannot be read?"""

import contextlib
import re
from typing import Final, NamedTuple
from uuid import UUID

from portal_events.cloudevents import RecordMalformedError, from_record
from portal_eventstore.kafka import Incoming

_NUMBER: Final = re.compile(rb"[0-9]{1,18}")
_TYPE: Final = re.compile(rb"portal\.[a-z][a-z0-9_]*\.([A-Za-z][A-Za-z0-9]*)\.v[0-9]{1,4}")


class Envelope(NamedTuple):
    """What is known of a record. `sound`: all headers are an event's, so that its position can be trusted."""

    sound: bool
    position: int | None
    event_id: UUID | None
    type: str | None


def envelope(record: Incoming) -> Envelope:
    """Read the headers, as far as they can be read."""
    with contextlib.suppress(RecordMalformedError):
        stored = from_record(record.topic, record.key, record.value, record.headers)
        return Envelope(True, stored.position, stored.id, stored.type)
    found = {name: value for name, value in record.headers if value is not None}
    position, type_ = found.get("ce_sequence", b""), _TYPE.fullmatch(found.get("ce_type", b""))
    return Envelope(
        False,
        int(position) if _NUMBER.fullmatch(position) else None,
        _id(found.get("ce_id", b"")),
        type_[1].decode() if type_ else None,
    )


def _id(raw: bytes) -> UUID | None:
    try:
        return UUID(raw.decode("ascii"))
    except ValueError:
        return None
