"""Are a view's tables there, and are they what this code reads and writes?"""

from collections.abc import Iterable
from typing import Any

from portal_eventstore.view import NO_ROWS, View


async def create_tables(pool: Any, views: Iterable[View[Any]]) -> None:
    """Create the tables of views that are not there yet; any number of processes may start at once."""
    async with pool.acquire() as connection, connection.transaction():
        # Parallel `create table if not exists` fail on each other's catalogue rows.
        await connection.execute("select pg_advisory_xact_lock(hashtextextended('projection tables', 0))")
        for view in views:
            if view.table != NO_ROWS:
                await connection.execute(view.table)
            await connection.execute(
                "insert into projection_view (view, edition, tables) values ($1, $2, '{}') "
                "on conflict do nothing",
                view.name,
                view.edition,
            )
            await connection.execute(
                "delete from projection_topic where view = $1 and topic <> all ($2)",
                view.name,
                list(view.topics),
            )
            await connection.execute(
                "insert into projection_topic (view, topic) select $1, unnest($2::text[]) "
                "on conflict do nothing",
                view.name,
                list(view.topics),
            )
