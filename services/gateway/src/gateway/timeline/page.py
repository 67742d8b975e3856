"""Which items does one page of a patient's timeline show?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from gateway.database import connection
from gateway.timeline.filters import Cursor, State
from gateway.timeline.item import COLUMNS, NAMES, TimelineItem, item_of
from gateway.timeline.kind import Kind
from portal_chassis.capabilities import capabilities_of, unlock_ways_of
from portal_events.identity import Level

# The owner comes first, and only the session names it. The outer row says the level even of an empty page.
_PAGE: Final = f"""
select who.level, {COLUMNS}
from (select coalesce((select level from levels where patient_id = $1), 'basic') as level) who
left join lateral (
    select * from timeline
    where patient_id = $1
        and (starts_at, id) < (coalesce($2, 'infinity'::timestamptz),
            coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
        and starts_at >= coalesce($4, '-infinity'::timestamptz)
        and starts_at < coalesce($5, 'infinity'::timestamptz)
        and ($6::text[] is null or kind = any ($6))
        and cancelled = $7
        and ($8::boolean is null or (starts_at + make_interval(mins => minutes) <= $9) = $8)
        and (who.level = 'full' or cancelled or starts_at + make_interval(mins => minutes) > $9)
    order by starts_at desc, id desc
    limit $10
) t on true
{NAMES}
order by t.starts_at desc, t.id desc
"""  # noqa: S608 - our own columns


_OVER: Final = {State.PLANNED: False, State.COMPLETED: True}


class Locked(BaseModel):
    """Items in these states are there at a higher level only."""

    model_config = ConfigDict(alias_generator=to_camel)

    states: list[State]
    unlock_ways: list[str]


class TimelinePage(BaseModel):
    """What `read_page` returns; `next` is the cursor of the page after it."""

    items: list[TimelineItem]
    next: str | None
    locked: Locked | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which items, and how many of them after which. `start` is included, `end` is not."""

    limit: int
    after: Cursor | None = None
    start: datetime | None = None
    end: datetime | None = None
    kinds: tuple[Kind, ...] = ()
    state: State | None = None


async def read_page(pool: Any, patient_id: UUID, filters: Filters, now: datetime) -> dict[str, Any]:
    """Return the page as the answer's JSON: items, newest first, the next page's cursor, what is locked."""
    after = filters.after
    async with connection(pool) as held:
        rows = await held.fetch(
            _PAGE,
            patient_id,
            after.starts_at if after else None,
            after.item_id if after else None,
            filters.start,
            filters.end,
            list(filters.kinds) or None,
            filters.state is State.CANCELLED,
            None if filters.state is None else _OVER.get(filters.state),
            now,
            filters.limit + 1,
        )
    level = Level(rows[0]["level"])
    if rows[0]["id"] is None:
        rows = []
    shown = rows[: filters.limit]
    more = len(rows) > filters.limit
    return {
        "items": [item_of(row, now) for row in shown],
        "next": Cursor(shown[-1]["starts_at"], UUID(shown[-1]["id"])).token() if more else None,
        "locked": locked(level),
    }


def locked(level: Level) -> dict[str, Any] | None:
    """Say what of the timeline this level does not show, and how to unlock it."""
    if capabilities_of(level)["treatment-history"]:
        return None
    return {"states": [State.COMPLETED], "unlockWays": unlock_ways_of(level)}
