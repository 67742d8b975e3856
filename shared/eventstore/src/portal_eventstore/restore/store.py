"""How do events get into a store just as they were, and what does it hold already?"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from portal_eventstore.log_in_order import Item
from portal_eventstore.metadata import metadata_to_json
from portal_eventstore.postgres import APPEND_LOCK, HEAD

_EVENT = ("position", "id", "type", "version", "tags", "data", "time", "metadata")
_TAG = ("tag", "position", "type")

_ENDS = """
select (select coalesce(max(position), 0) from event) as head,
    (select coalesce(max(position), 0) from dropped_event) as dropped,
    (select published from relay) as published
"""
# Before anything is imported: a store that looks whole must not hand out a position again.
_RAISE = "select setval('event_position', greatest($1, (select last_value from event_position)))"
_PUBLISHED = "update relay set published = $1"
_RANGE = """
select position, id, metadata::json->>'subject' as subject from event where position > $1 and position <= $2
"""
_DROPPED = "select position, id from dropped_event"
_DROP = """
insert into dropped_event (position, id) select * from unnest($1::bigint[], $2::uuid[]) on conflict do nothing
"""


class ChangedMeanwhileError(Exception):
    """Somebody else wrote to the store."""


async def ends(connection: Any) -> tuple[int, int, int]:
    """Return the highest position, the highest that was dropped, and the relay's mark."""
    head, dropped, published = await connection.fetchrow(_ENDS)
    return head, dropped, published


async def stored_between(connection: Any, above: int, up_to: int) -> dict[int, tuple[UUID, bytes]]:
    """Return id and key of the events in a range of positions."""
    rows = await connection.fetch(_RANGE, above, up_to)
    return {row["position"]: (row["id"], row["subject"].encode()) for row in rows}


async def dropped(connection: Any) -> dict[int, UUID]:
    """Return what earlier restores left out."""
    return {row["position"]: row["id"] for row in await connection.fetch(_DROPPED)}


async def prepare(connection: Any, top: int, published: int) -> None:
    """Let positions go on above `top`, and the relay where Kafka lacks something."""
    async with connection.transaction():
        await connection.fetchval(_RAISE, top)
        await connection.execute(_PUBLISHED, published)


async def add(connection: Any, after: int, whole: Sequence[Item], remains: Sequence[Item]) -> None:
    """Add whole appends behind position `after`, and note what is left out, in one transaction."""
    events = [item.stored for item in whole]
    async with connection.transaction(isolation="read_committed"):
        await connection.execute("select pg_advisory_xact_lock($1)", APPEND_LOCK)
        if await connection.fetchval(HEAD) != after:
            raise ChangedMeanwhileError
        await connection.copy_records_to_table(
            "event",
            columns=_EVENT,
            records=[
                (e.position, e.id, e.type, e.version, e.tags, e.data, e.time, metadata_to_json(e.metadata))
                for e in events
            ],
        )
        await connection.copy_records_to_table(
            "event_tag", columns=_TAG, records=[(tag, e.position, e.type) for e in events for tag in e.tags]
        )
        await connection.execute(
            _DROP, [item.stored.position for item in remains], [item.stored.id for item in remains]
        )
