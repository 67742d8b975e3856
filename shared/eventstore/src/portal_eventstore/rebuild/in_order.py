"""How are the tables filled of a view whose rows several keys touch, and which has no `bulk`?

By its own `apply`, over the records of all partitions in the order in which they were appended: no row sees
anything that came later before what came earlier.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from portal_eventstore.consume import Place, fresh
from portal_eventstore.history import read
from portal_eventstore.kafka import Partition
from portal_eventstore.rebuild.build import Build, RebuildError
from portal_eventstore.view import MalformedRecordError

_TOGETHER = 2_000

_PLACES = "select topic, partition, next_offset, last_position from projection_position where view = $1"
_PUT = """
insert into projection_position (view, topic, partition, next_offset, last_position, edition)
select $1, p.topic, p.partition, p.next_offset, p.last_position, $6
from unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[])
    as p (topic, partition, next_offset, last_position)
on conflict (view, topic, partition)
do update set (next_offset, last_position) = (excluded.next_offset, excluded.last_position)
"""


@dataclass(slots=True)
class _Step:
    """One record: what it adds, if anything, and the place behind it."""

    partition: Partition
    position: int
    values: list[Any]
    place: Place


async def fill_in_order(build: Build, fences: Mapping[Partition, int]) -> None:
    """Apply everything up to the fences, from where the build stands."""
    places = {
        (topic, partition): Place(next_offset, last_position)
        for topic, partition, next_offset, last_position in await build.pool.fetch(_PLACES, build.name)
    }
    steps: list[_Step] = []
    async with aclosing(_merged(build, fences, places)) as merged:
        async for step in merged:
            steps.append(step)
            if len(steps) >= _TOGETHER:
                await _write(build, steps)
                steps = []
    if steps:
        await _write(build, steps)


async def _merged(
    build: Build, fences: Mapping[Partition, int], places: Mapping[Partition, Place]
) -> AsyncGenerator[_Step, None]:
    """Yield the steps of all partitions by the position of their events."""
    streams = {tp: _steps(build, tp, places.get(tp, Place(0, 0)), fence) for tp, fence in fences.items()}
    try:
        heads = {
            tp: head for tp, stream in streams.items() if (head := await anext(stream, None)) is not None
        }
        while heads:
            tp, head = min(heads.items(), key=lambda item: (item[1].position, item[0]))
            yield head
            following = await anext(streams[tp], None)
            if following is None:
                del heads[tp]
            else:
                heads[tp] = following
    finally:
        for stream in streams.values():
            await stream.aclose()


async def _steps(build: Build, tp: Partition, place: Place, fence: int) -> AsyncGenerator[_Step, None]:
    async with aclosing(read(build.bootstrap_servers, *tp, place.next_offset, fence)) as batches:
        async for records in batches:
            for record in records:
                new = fresh([record], place, build.view.parse)
                if new.stopped is not None:
                    raise _refused(build, new.stopped)
                place = new.place
                yield _Step(tp, place.last_position, new.values, place)


async def _write(build: Build, steps: Sequence[_Step]) -> None:
    moved = {step.partition: step.place for step in steps}
    values = [value for step in steps for value in step.values]
    async with build.pool.acquire() as connection, connection.transaction():
        await build.guard(connection)
        if values:
            await build.view.apply(connection, values)
        await connection.execute(
            _PUT,
            build.name,
            [topic for topic, _ in moved],
            [partition for _, partition in moved],
            [place.next_offset for place in moved.values()],
            [place.last_position for place in moved.values()],
            build.view.edition,
        )
    await build.read(len(steps))


def _refused(build: Build, error: MalformedRecordError) -> RebuildError:
    return RebuildError(
        f"{build.name} cannot go on ({error}): several keys touch its rows, so nothing can be left out."
    )
