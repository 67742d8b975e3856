"""How does a client learn that an answer from a view may lack what has happened since?

`Portal-Stale: true` stands on an answer whose view had not seen the position that was sent, or was last
complete more than ten seconds ago. `Portal-Fresh-At` beside it says up to when the view is complete
(RFC 3339, UTC, whole seconds), where that is known.
"""

from datetime import UTC, datetime
from typing import Final

from portal_eventstore.freshness import Freshness

STALE: Final = "Portal-Stale"
FRESH_AT: Final = "Portal-Fresh-At"


def told(freshness: Freshness, view: str, *, seen: bool) -> dict[str, str]:
    """Return the headers of an answer from `view`; none when all is well. `seen`: the position was there."""
    if seen and not freshness.stale(view):
        return {}
    at = freshness.complete_until(view)
    return {STALE: "true"} if at is None else {STALE: "true", FRESH_AT: written(at)}


def written(at: datetime) -> str:
    """Return an instant as the header has it; what is left of its second is not promised."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
