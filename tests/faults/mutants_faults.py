"""Which bugs do only dying processes and cut wires show, planted in the processes of a whole portal?"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import asyncpg

from gateway.upstream import Upstream
from portal_chassis import problems
from portal_eventstore import consume, kafka, postgres
from portal_eventstore.decision import StoreUnavailable
from portal_eventstore.relay import publish
from portal_eventstore.relay.unacknowledged import Unacknowledged
from portal_eventstore.store import Append
from portal_eventstore.testing.planting import reword, rewrite

_FOLDER: Final = "tests/faults/"
_WHEN: Final = "::test_given_"
_A_PROCESS: Final = f"{_FOLDER}test_processes_die.py{_WHEN}twenty_clients_when_a_process"
_KILLED: Final = f"{_A_PROCESS}_is_killed_then_nothing_acknowledged_is_lost"
_PAUSED: Final = f"{_A_PROCESS}_stands_still_then_nothing_acknowledged_is_lost"


def published_before_acknowledged() -> None:
    """`published` moves to what was read, not to what Kafka has acknowledged."""
    Unacknowledged.published = lambda self: self.read  # type: ignore[method-assign]


def places_before_rows() -> None:
    """The places are committed first and the rows a moment later, on another connection."""

    async def write(self: Any, batch: Any, places: Any, *, one_fails: bool) -> None:
        del one_fails
        async with self._pool.acquire() as connection:
            await self._move(connection, places, batch.moved)
        await asyncio.sleep(1)
        async with self._pool.acquire() as connection:
            if batch.values:
                await self._view.apply(connection, batch.values)

    consume.ViewConsumption._write = write  # type: ignore[method-assign]


def sent_again_as_another() -> None:
    """What is sent again after a broken connection has new ids, and is a new event."""
    append = postgres._Session.append

    async def append_anew(self: Any, appends: Sequence[Append], *, resend: bool = False) -> Any:
        if resend:
            appends = [
                replace(each, unless=(), events=tuple(replace(event, id=uuid4()) for event in each.events))
                for each in appends
            ]
        return await append(self, appends, resend=False)

    postgres._Session.append = append_anew  # type: ignore[method-assign]


def never_connected_again() -> None:
    """A store that has lost a connection once refuses everything from then on."""
    retrying = postgres.PostgresStore._retrying
    lost: list[bool] = []

    async def give_up(self: Any, ask: Any) -> Any:
        async def once(connection: Any, again: bool) -> Any:  # noqa: FBT001
            if again:
                lost.append(True)
            if lost:
                raise StoreUnavailable
            return await ask(connection, again)

        return await retrying(self, once)

    postgres.PostgresStore._retrying = give_up  # type: ignore[method-assign]


def partitions_given_up_for_good() -> None:
    """A worker that its group took for dead gets its partitions back, and reads them no more."""
    take_up = kafka._SeekToStored.on_partitions_assigned
    before: set[Any] = set()

    async def take_up_once(self: Any, assigned: Any) -> None:
        if self in before:
            self.consumer().pause(*assigned)
            return
        before.add(self)
        await take_up(self, assigned)

    kafka._SeekToStored.on_partitions_assigned = take_up_once  # type: ignore[method-assign]


def full_disk_is_a_fault() -> None:
    """A full disk is answered 500, by the store as by every other reader of the database."""
    for module, name in ((postgres, "_REFUSED"), (problems, "_DATABASE_GONE")):
        kinds = [kind for kind in getattr(module, name) if kind is not asyncpg.InsufficientResourcesError]
        setattr(module, name, tuple(kinds))


MUTANTS: dict[str, tuple[Callable[[], None], str]] = {
    "published before acknowledged, in a portal": (
        published_before_acknowledged,
        (
            f"{_FOLDER}test_kafka_is_away.py{_WHEN}kafka_away_and_the_relay_killed_meanwhile_when_back_then_all_that"
            "_was_booked_is_there"
        ),
    ),
    "places before rows, in a portal": (places_before_rows, f"{_KILLED}[gateway-worker]"),
    "sent again as another, in a portal": (
        sent_again_as_another,
        (
            f"{_FOLDER}test_partitions.py{_WHEN}answers_of_postgres_that_do_not_arrive_when_people_book_then_nothing"
            "_happens_twice"
        ),
    ),
    "never connected again, in a portal": (never_connected_again, f"{_KILLED}[postgres]"),
    "partitions given up for good, in a portal": (partitions_given_up_for_good, f"{_PAUSED}[gateway-worker]"),
    "a silent service is taken for a broken one, in a portal": (
        rewrite(
            Upstream.ask, "aiohttp.ClientResponseError) as", "aiohttp.ClientResponseError, TimeoutError) as"
        ),
        f"{_PAUSED}[booking]",
    ),
    "full disk is a fault, in a portal": (
        full_disk_is_a_fault,
        (
            f"{_FOLDER}test_full_disks.py{_WHEN}the_disk_of_postgres_full_when_people_book_then_503_reads_go_on_and"
            "_it_recovers"
        ),
    ),
    "published in the order of clocks, in a portal": (
        reword(publish, "TAIL", "order by 1", "order by e.time"),
        (
            f"{_FOLDER}test_clocks.py{_WHEN}a_clock_that_jumps_a_day_when_people_sign_up_then_the_order_is_that_of"
            "_positions"
        ),
    ),
}
