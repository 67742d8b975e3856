"""What makes a history of sound code worth checking: holds that lapse soon, answers that get lost?"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any, Final

import asyncpg

from booking.hold_slot import decide as hold_slot
from portal_eventstore import postgres
from portal_eventstore.store import Append

_HOLD: Final = timedelta(seconds=4)
_EVERY: Final = 15


def short_holds() -> None:
    """Let holds lapse while somebody waits for it."""
    hold_slot.LASTS = _HOLD  # type: ignore[misc]


def lost_answers() -> None:
    """Let the connection break after some appends, when they are committed."""
    append, counted = postgres._Session.append, count(1)

    async def append_and_break(self: Any, appends: Sequence[Append], *, resend: bool = False) -> Any:
        verdicts = await append(self, appends, resend=resend)
        if not resend and appends and next(counted) % _EVERY == 0:
            raise asyncpg.ConnectionDoesNotExistError
        return verdicts

    postgres._Session.append = append_and_break  # type: ignore[method-assign]
