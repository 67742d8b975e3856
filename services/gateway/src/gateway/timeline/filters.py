"""What may a client ask the timeline for?"""

import base64
import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Query
from pydantic import BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from gateway.timeline.kind import Kind
from portal_chassis.problems import FieldError, Invalid

_WARSAW: Final = ZoneInfo("Europe/Warsaw")
"""A date without a time is a day of the network's wall clock."""

_CURSOR: Final = struct.Struct(">q16s")
_MIDNIGHT: Final = time()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INSTANT: Final = TypeAdapter(datetime)


class State(StrEnum):
    """What has become of an item; whether it is over the clock says."""

    PLANNED = "planned"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last item of a page: the next page begins after it."""

    starts_at: datetime
    item_id: UUID

    def token(self) -> str:
        """Return the place as opaque text."""
        packed = _CURSOR.pack((self.starts_at - _EPOCH) // _MICROSECOND, self.item_id.bytes)
        return base64.urlsafe_b64encode(packed).decode()


def read_cursor(token: str) -> Cursor:
    """Return the place that an earlier page ended with; raises Invalid."""
    try:
        micros, item_id = _CURSOR.unpack(base64.b64decode(token, b"-_", validate=True))
        return Cursor(_EPOCH + micros * _MICROSECOND, UUID(bytes=item_id))
    except (ValueError, struct.error, OverflowError):
        detail = "This cursor does not come from an earlier page"
        raise Invalid([FieldError("", "cursor-invalid", detail, parameter="cursor")]) from None


def _bound(days: int) -> BeforeValidator:
    def read(text: Any) -> Any:
        try:
            day = date.fromisoformat(text) if len(text) == len("2000-01-01") else None
            if day is not None:
                return datetime.combine(day + timedelta(days=days), _MIDNIGHT, _WARSAW).astimezone(UTC)
            instant = _INSTANT.validate_python(text) if "T" in text else None
            if instant is not None and instant.tzinfo is not None:
                return instant.astimezone(UTC)
        except (ValueError, ValidationError, OverflowError):
            pass
        raise PydanticCustomError("date-invalid", "This is neither a date nor an RFC 3339 instant")

    return BeforeValidator(read)


From = Annotated[
    datetime | None,
    _bound(days=0),
    Query(alias="from", description="Instant, or date in Europe/Warsaw: items that start then or later"),
]
To = Annotated[
    datetime | None,
    _bound(days=1),
    Query(alias="to", description="Instant: items that start before; date: that day included"),
]
Kinds = Annotated[list[Kind] | None, Query(alias="kind", description="May be repeated")]
OneState = Annotated[
    State | None, Query(alias="state", description="Without it: what is planned and what is completed")
]
Limit = Annotated[int, Query(ge=1, le=100)]
