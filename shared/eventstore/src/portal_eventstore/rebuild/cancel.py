"""How does a build end for good, and leave nothing?"""

from typing import Any

from portal_eventstore.rebuild.build import CHECK, NEXT, build_name
from portal_eventstore.rebuild.lock import taken_over
from portal_eventstore.rebuild.tables import drop_schema


async def cancel(database_url: str, view: str) -> bool:
    """End the builds of a view, running or left behind, and leave nothing; tell whether there was one."""
    found = False
    for suffix in (NEXT, CHECK):
        name = build_name(view, suffix)
        async with taken_over(database_url, name) as connection:
            found |= await drop_build(connection, name)
    return found


async def drop_build(connection: Any, name: str) -> bool:
    """Drop all of a build that nobody works on; tell whether there was one."""
    async with connection.transaction():
        # First of all the row: whoever still writes holds it, or finds it gone.
        row = await connection.fetchval("delete from projection_build where build = $1 returning true", name)
        await drop_schema(connection, name)
        await connection.execute("delete from projection_position where view = $1", name)
        await connection.execute("delete from parked where view = $1", name)
        return row is not None
