"""What time is it, for this request?

The clock is an argument: `app.state.clock` holds it, so that a test or the demo data can set it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

Clock = Callable[[], datetime]
"""Returns the present instant, in UTC."""


def utc_now() -> datetime:
    """Return the machine's time."""
    return datetime.now(UTC)


async def _now(request: Request) -> datetime:
    clock: Clock = request.app.state.clock
    return clock()


CurrentTime = Annotated[datetime, Depends(_now)]
"""The instant at which an endpoint decides, from the app's own clock."""
