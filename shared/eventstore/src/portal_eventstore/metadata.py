"""How is an event read from its row, and its metadata written? JSON, camelCase, only what there is to say."""

from typing import Any
from uuid import UUID

import orjson

from portal_events.stored import Metadata, StoredEvent


def metadata_to_json(metadata: Metadata) -> str:
    """Write the metadata column of one event."""
    fields: dict[str, Any] = {
        "subject": metadata.subject,
        "actor": metadata.actor,
        "correlationId": metadata.correlation_id,
        "appendId": metadata.append_id,
        "appendSize": metadata.append_size,
    }
    if metadata.causation_id is not None:
        fields["causationId"] = metadata.causation_id
    if metadata.request_hash is not None:
        fields["requestHash"] = metadata.request_hash
    if metadata.traceparent is not None:
        fields["traceparent"] = metadata.traceparent
    return orjson.dumps(fields).decode()


def metadata_from_json(text: str) -> Metadata:
    """Read the metadata column of one event."""
    fields = orjson.loads(text)
    causation = fields.get("causationId")
    return Metadata(
        subject=UUID(fields["subject"]),
        actor=fields["actor"],
        correlation_id=UUID(fields["correlationId"]),
        append_id=UUID(fields["appendId"]),
        append_size=fields["appendSize"],
        causation_id=None if causation is None else UUID(causation),
        request_hash=fields.get("requestHash"),
        traceparent=fields.get("traceparent"),
    )


def stored_event(owner: str, row: Any) -> StoredEvent:
    """Read one row of the table `event`."""
    return StoredEvent(
        owner=owner,
        position=row["position"],
        id=row["id"],
        type=row["type"],
        version=row["version"],
        tags=tuple(row["tags"]),
        data=row["data"],
        time=row["time"],
        metadata=metadata_from_json(row["metadata"]),
    )
