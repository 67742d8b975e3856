"""How does a page of a list say where the next one begins?

A cursor is the sort key of the page's last row. Clients treat it as opaque; it says where to go on, never
what may be seen.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from portal_chassis.problems import FieldError, Invalid


def encode_cursor(key: Sequence[object]) -> str:
    """Return the cursor of a row with this sort key."""
    return base64.urlsafe_b64encode(orjson.dumps(key, default=str)).decode().rstrip("=")


def decode_cursor(cursor: str, types: Sequence[Callable[[str], Any]]) -> tuple[Any, ...]:
    """Return the sort key, each part read by its type; raises Invalid for what is no cursor of this list."""
    try:
        return tuple(read(part) for read, part in zip(types, _parts(cursor), strict=True))
    except (ValueError, TypeError):
        fault = FieldError("", "cursor-invalid", "This cursor belongs to no page of this list", "cursor")
        raise Invalid([fault]) from None


def _parts(cursor: str) -> list[str]:
    parts = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    # PostgreSQL's text cannot hold U+0000, so no row's key has it.
    if not isinstance(parts, list) or not all(isinstance(part, str) and "\0" not in part for part in parts):
        raise TypeError("not a list of texts")
    return parts
