"""How does a build begin: with which empty tables, and up to where are they to be filled?"""

from typing import Any

from portal_eventstore.history import fences
from portal_eventstore.kafka import Partition, Range
from portal_eventstore.rebuild.build import Phase, RebuildError
from portal_eventstore.rebuild.cancel import drop_build
from portal_eventstore.rebuild.tables import create_schema, strip
from portal_eventstore.view import View

_NEW = """
insert into projection_build (build, view, edition, phase, total, definitions)
values ($1, $2, $3, $4, $5, $6)
"""
_UNITS = """
insert into projection_build_unit (build, topic, partition, fence)
select $1, * from unnest($2::text[], $3::int[], $4::bigint[])
"""


async def begin(pool: Any, name: str, view: View[Any], bootstrap_servers: str) -> None:
    """Make the empty tables, and note up to where they are filled; what was there of another edition goes."""
    held: dict[Partition, Range] = {}
    for topic in view.topics:
        held |= await fences(bootstrap_servers, topic)
    for (topic, partition), (first, _) in held.items():
        if first > 0:
            raise RebuildError(
                f"Kafka no longer holds the beginning of {topic}/{partition} (its first offset is {first}): "
                f"{view.name} cannot be built from it, and stays as it is."
            )
    bulk = view.bulk is not None
    phase = Phase.FILL if bulk or view.shared_rows else Phase.FOLLOW
    async with pool.acquire() as connection, connection.transaction():
        await drop_build(connection, name)
        await create_schema(connection, name, view.table)
        definitions = await strip(connection, name) if bulk else []
        total = sum(range_.end for range_ in held.values())
        await connection.execute(_NEW, name, view.name, view.edition, phase.value, total, definitions)
        await connection.execute(
            _UNITS,
            name,
            [topic for topic, _ in held],
            [partition for _, partition in held],
            [range_.end for range_ in held.values()],
        )
