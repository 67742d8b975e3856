"""How are a build's bare tables filled from the whole past of a view with `bulk`?

A unit is a partition up to the fence: read, folded and copied in one transaction, which holds the unit's row;
so any number of processes may share the units, and what one that died had not finished is there for another.
A partition with something that cannot be read or folded is left whole, to be applied record by record, where
such a record is dealt with as ever.
"""

import asyncio
import gc
import logging
import zlib
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import asyncpg

from portal_eventstore.consume import Place, fresh
from portal_eventstore.history import read
from portal_eventstore.rebuild.build import Build
from portal_eventstore.view import MalformedRecordError

_log = logging.getLogger(__name__)

RANGE_RECORDS = 250_000
"""What is in memory at once: a partition with more records is read several times, a range of keys each."""

_POLL_SECONDS = 0.1

_CLAIM = """
select topic, partition, fence from projection_build_unit
where build = $1 and state = 'waiting' order by fence desc, topic, partition limit 1 for update skip locked
"""
_DONE = "update projection_build_unit set state = $4 where build = $1 and topic = $2 and partition = $3"
_WAITING = "select exists (select from projection_build_unit where build = $1 and state = 'waiting')"
_PLACE = """
insert into projection_position (view, topic, partition, next_offset, last_position, edition)
values ($1, $2, $3, $4, $5, $6)
"""


class _UnfoldableError(Exception):
    """Something of a partition cannot be folded or written."""


async def fill(build: Build) -> None:
    """Fill from every unit that nobody else fills, and wait for the others to be done."""
    while True:
        if not await _fill_one(build):
            if not await build.pool.fetchval(_WAITING, build.name):
                return
            await asyncio.sleep(_POLL_SECONDS)


async def _fill_one(build: Build) -> bool:
    """Fill from one unit; tell whether there was one."""
    async with build.pool.acquire() as connection, connection.transaction():
        await build.guard(connection)
        unit = await connection.fetchrow(_CLAIM, build.name)
        if unit is None:
            return False
        topic, partition, fence = unit
        state, place = "done", Place(0, 0)
        try:
            async with connection.transaction():
                with _uncollected():
                    place = await _copy(build, connection, topic, partition, fence)
        except (MalformedRecordError, _UnfoldableError) as error:
            state = "left"
            _log.warning("build %s: %s/%s is left to be applied: %s", build.name, topic, partition, error)
        await connection.execute(
            _PLACE, build.name, topic, partition, place.next_offset, place.last_position, build.view.edition
        )
        await connection.execute(_DONE, build.name, topic, partition, state)
        return True


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage among what is held: none of it is, and the looking takes as long as the work."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


async def _copy(build: Build, connection: Any, topic: str, partition: int, fence: int) -> Place:
    """Copy what is left in the end of a partition's records; return the place behind them."""
    passes = max(1, -(-fence // RANGE_RECORDS))
    place = Place(0, 0)
    for number in range(passes):
        values: list[Any] = []
        reached = Place(0, 0)
        async with aclosing(read(build.bootstrap_servers, topic, partition, 0, fence)) as batches:
            async for records in batches:
                mine = [r for r in records if passes == 1 or _range(r.key, passes) == number]
                new = fresh(mine, reached, build.view.parse)
                if new.stopped is not None:
                    raise new.stopped
                values += new.values
                # The last record of all, whosever it is.
                reached = Place(records[-1].offset + 1, new.place.last_position)
                if number == 0:
                    await build.read(len(records))
        await _write(build, connection, values)
        place = Place(reached.next_offset, max(place.last_position, reached.last_position))
    return place


async def _write(build: Build, connection: Any, values: list[Any]) -> None:
    if build.view.bulk is None:
        raise TypeError(build.view.name)
    try:
        folded = build.view.bulk.rows(values)
    except Exception as error:
        # Its text may quote a row, and so a person.
        raise _UnfoldableError(type(error).__name__) from error
    for table, rows in folded.items():
        try:
            await connection.copy_records_to_table(table, schema_name=build.name, records=rows)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError, TypeError) as error:
            raise _UnfoldableError(type(error).__name__) from error


def _range(key: bytes | None, ranges: int) -> int:
    return zlib.crc32(key or b"") % ranges
