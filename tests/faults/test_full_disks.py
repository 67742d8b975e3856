"""What if a disk is full: are writes refused, reads answered, and does it go on by itself afterwards?"""

from __future__ import annotations

import contextlib
from http import HTTPStatus

import asyncpg
import pytest

from portal_faults.running import eventually
from portal_faults.stack import Stack

from .conftest import FULL, SOME, Ordeal

pytestmark = pytest.mark.connected

DEATHS = 6 if FULL else 4
"""After so many the launcher waits longer before each start than after the first."""


@pytest.fixture(autouse=True)
def small(stack: Stack) -> None:
    if not stack.disks:
        pytest.skip("a disk of one's own takes root")


async def test_given_the_disk_of_postgres_full_when_people_book_then_503_reads_go_on_and_it_recovers(
    stack: Stack, ordeal: Ordeal
) -> None:
    async with ordeal.survived(may_fail=True) as people:
        # A new segment of the log, on the disk before the disk is full, has room for what is written until
        # tables have to grow.
        await stack.as_superuser("select pg_switch_wal()")
        await stack.as_superuser("checkpoint")
        with stack.disks["postgres"].full():
            await people.failed(SOME // 4)
            # Not the clients: by now all of them may be busy repeating what they wrote.
            assert {await people.read() for _ in range(SOME)} == {HTTPStatus.OK}
        ordeal.found["restarts"] = stack.record("postgres").restarts


async def test_given_no_room_for_the_log_either_when_postgres_cannot_even_start_then_it_recovers(
    stack: Stack, ordeal: Ordeal
) -> None:
    async with ordeal.survived(may_fail=True):
        with stack.disks["postgres"].full():
            before = stack.record("postgres").restarts

            async def cannot_start() -> bool:
                with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await stack.as_superuser("select pg_switch_wal()")
                return stack.record("postgres").restarts >= before + DEATHS

            await eventually(cannot_start, "PostgreSQL dies and cannot start")


async def test_given_the_disk_of_kafka_full_when_people_book_then_bookings_go_on_and_it_recovers(
    stack: Stack, ordeal: Ordeal
) -> None:
    async with ordeal.survived(may_fail=False) as people:
        with stack.disks["kafka"].full():
            before = people.statuses["POST", HTTPStatus.CREATED]
            await people.acted(2 * SOME)
            assert people.statuses["POST", HTTPStatus.CREATED] > before
