"""Which writes must a read have seen?

`Portal-Position` carries a vector: for each topic and partition the position of the newest event that its
holder knows of. Clients treat it as opaque; it is a hint about waiting, never about access.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from portal_events.topics import PARTITIONS, events_topic, partition_for
from portal_eventstore.command import Outcome

Positions = Mapping[tuple[str, int], int]
"""(topic, partition) -> position in the owner's store."""

HEADER: Final = "Portal-Position"

_MAX_TEXT: Final = 4096
_MAX_POSITION: Final = 2**63 - 1
_TOPIC: Final = re.compile(r"[a-z][a-z.-]{0,63}")


def encode(positions: Positions) -> str:
    """Return the token of a vector; equal vectors have equal tokens."""
    nested: dict[str, dict[str, int]] = {}
    for (topic, partition), position in positions.items():
        nested.setdefault(topic, {})[str(partition)] = position
    return base64.urlsafe_b64encode(orjson.dumps(nested, option=orjson.OPT_SORT_KEYS)).decode().rstrip("=")


def decode(token: str | None) -> Positions:
    """Return the vector of a token; what is malformed in any way is ignored as a whole."""
    if not token or len(token) > _MAX_TEXT:
        return {}
    try:
        nested: Any = orjson.loads(base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True))
        return {
            (_topic(topic), _within(int(partition), PARTITIONS - 1)): _within(position, _MAX_POSITION)
            for topic, partitions in nested.items()
            for partition, position in partitions.items()
        }
    except (ValueError, AttributeError, TypeError):
        return {}


def merge(*vectors: Positions) -> Positions:
    """Return the vector that has seen what any of `vectors` has."""
    merged: dict[tuple[str, int], int] = {}
    for vector in vectors:
        for place, position in vector.items():
            merged[place] = max(position, merged.get(place, 0))
    return merged


def of_outcome(owner: str, outcome: Outcome[Any]) -> Positions:
    """Return the vector of what a decision appended."""
    topic = events_topic(owner)
    return merge(
        *(
            {(topic, partition_for(str(event.subject).encode(), PARTITIONS)): position}
            for event, position in zip(outcome.events, outcome.positions, strict=True)
        )
    )


def _topic(text: object) -> str:
    if not isinstance(text, str) or not _TOPIC.fullmatch(text):
        raise ValueError("not a topic")
    return text


def _within(number: object, highest: int) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= highest:
        raise ValueError("not a position")
    return number
