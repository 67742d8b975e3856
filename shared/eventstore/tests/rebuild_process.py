"""A rebuild, to be killed where it is told: rebuild_process.py DATABASE_URL OWNER SERVERS TOPIC WHERE."""

import asyncio
import os
import signal
import sys
from typing import Any

from portal_eventstore.rebuild import fill, switch
from portal_eventstore.rebuild.build import Build
from portal_eventstore.rebuild.rebuild import rebuild
from portal_eventstore.rebuild.tables import drop_emptied_schema
from portal_eventstore.testing.kafka_log import counted_class
from portal_eventstore.testing.tally import tally_of

FIRST_UNIT, UNCOMMITTED = "first unit", "uncommitted switch"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def plant(where: str) -> None:
    """Die at the step `where`: a phase that has just begun, or one of the two above."""
    fill_one, enter = fill._fill_one, Build.enter

    async def fill_one_and_die(build: Build) -> bool:
        await fill_one(build)
        die()
        return True

    async def enter_and_die(self: Build, phase: Any, **how: Any) -> None:
        await enter(self, phase, **how)
        if phase.name == where and "connection" not in how:
            die()

    async def drop_and_die(connection: Any, schema: str) -> None:
        await drop_emptied_schema(connection, schema)
        die()

    if where == FIRST_UNIT:
        fill._fill_one = fill_one_and_die
    elif where == UNCOMMITTED:
        vars(switch)["drop_emptied_schema"] = drop_and_die
    Build.enter = enter_and_die  # type: ignore[method-assign]


async def main() -> None:
    database_url, owner, servers, topic, where = sys.argv[1:]
    plant(where)
    await rebuild(database_url, servers, tally_of(topic, counted_class(owner)))


asyncio.run(main())
