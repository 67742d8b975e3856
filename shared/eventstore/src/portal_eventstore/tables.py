"""Which tables of a service's database are neither views nor about them?

What no topic holds: it is backed up, and lost with the database otherwise.
"""

from collections.abc import Iterable
from typing import Any, Final

from portal_eventstore.editions import tables_of
from portal_eventstore.view import View

_TABLES = """
select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind = 'r' order by c.relname
"""

OF_THE_LOG: Final = ("event", "event_tag", "relay", "dropped_event")
"""What a restore from Kafka brings back."""

_NEVER: Final = ("store_identity",)
"""Says where the tables lie, and so would be wrong elsewhere."""

_ABOUT_VIEWS: Final = "projection_"
_MIGRATIONS: Final = "_migration"


async def kept_tables(connection: Any, views: Iterable[View[Any]]) -> list[str]:
    """Return the tables that a backup must hold, by name."""
    left_out = {table for view in views for table in tables_of(view)} | set(_NEVER)
    return [
        name
        for (name,) in await connection.fetch(_TABLES)
        if name not in left_out and not name.startswith(_ABOUT_VIEWS) and not name.endswith(_MIGRATIONS)
    ]
