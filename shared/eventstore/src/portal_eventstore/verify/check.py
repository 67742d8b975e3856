"""What did a comparison find?"""

from collections.abc import Sequence
from typing import NamedTuple

_NAMED = 5


class Check(NamedTuple):
    """One line for people. `clean`: None where it could not be compared."""

    clean: bool | None
    text: str


def named(what: Sequence[object]) -> str:
    """Name the first few."""
    more = f" and {len(what) - _NAMED:,} more" if len(what) > _NAMED else ""
    return ", ".join(map(str, what[:_NAMED])) + more
