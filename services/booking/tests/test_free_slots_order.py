"""Do the rows of the search come out the same, in whatever order and batches the events come in?"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest

from booking.free_slots.project import FREE_SLOTS
from portal_events.base import Event
from portal_events.booking import AppointmentBooked, DoctorDayOpened, FacilityAdded
from portal_events.stored import StoredEvent
from portal_events.testing import JAN, booked, cancelled, held, moved, released
from portal_eventstore.view import Received

from .house import CONTEXT, KRAKOW, LIS, MOKOTOW, SIX, House, project, received_from
from .searching import HALF_HOUR, catch_up, dentists_visit, happened, lines, search

pytestmark = pytest.mark.connected

FIRST, SECOND, THIRD, FOURTH = (dentists_visit(SIX + n * HALF_HOUR) for n in range(4))
IN_MOKOTOW = dentists_visit(SIX, facility=MOKOTOW)
IN_KRAKOW = dentists_visit(SIX + HALF_HOUR, doctor=LIS, facility=KRAKOW)
EWA, PIOTR = UUID(int=3), UUID(int=4)
ANNAS_HOLD, JANS_HOLD, JANS_SECOND = held(FIRST), held(SECOND, JAN), held(IN_MOKOTOW, JAN)
PIOTRS_HOLD, ANNAS_SECOND = held(FOURTH, PIOTR), held(SECOND)
ANNAS, JANS = booked(FIRST, hold_id=ANNAS_HOLD.hold_id), booked(IN_MOKOTOW, JAN, hold_id=JANS_SECOND.hold_id)
EWAS, PIOTRS, PIOTRS_SECOND = booked(SECOND, EWA), booked(SECOND, PIOTR), booked(IN_KRAKOW, PIOTR)
PUT_OFF = moved(JANS, FOURTH)
A_BUSY_DAY = [
    ANNAS_HOLD,
    ANNAS,
    JANS_HOLD,
    released(JANS_HOLD),
    EWAS,
    cancelled(ANNAS),
    JANS_SECOND,
    JANS,
    moved(EWAS, THIRD),
    PIOTRS,
    cancelled(PIOTRS),
    PIOTRS_SECOND,
    PIOTRS_HOLD,
    ANNAS_SECOND,
    PUT_OFF,
    moved(PUT_OFF, FIRST),
]
"""What four patients do, who get in and out of each other's way."""

FREE_SLOTS_TABLES = ("free_slots_doctor", "free_slots_place", "free_slots_offer", "free_slots_busy")
TABLES = (
    "catalogue_service",
    "catalogue_facility",
    "catalogue_doctor",
    "catalogue_practice",
    *FREE_SLOTS_TABLES,
    "appointments",
)


async def test_given_a_busy_day_when_searched_then_only_the_last_word_counts(shown: House) -> None:
    await happened(shown, *A_BUSY_DAY)
    # Jan at six, Ewa at seven, Piotr holds half past seven, Anna (who looks) half past six; Piotr in Kraków.
    assert lines(await search(shown)) == [
        "17:00 lek. dent. Ewa Lis ul. Dietla 60",
        "17:30 lek. med. Anna Nowak ul. 1 Sierpnia 8",
        "17:30 lek. med. Anna Nowak ul. Domaniewska 41B",
    ]
    busy = await shown.state.views.fetch("select id from free_slots_busy")
    assert {row["id"] for row in busy} == {
        *(one.appointment_id for one in (EWAS, JANS, PIOTRS_SECOND)),
        *(one.hold_id for one in (PIOTRS_HOLD, ANNAS_SECOND)),
    }


async def test_given_a_booking_that_was_held_when_cancelled_then_the_hold_does_not_come_back(
    shown: House,
) -> None:
    hold = held(FIRST, JAN)
    booking = booked(FIRST, JAN, hold_id=hold.hold_id)
    await happened(shown, hold, booking)
    await happened(shown, cancelled(booking))
    assert lines(await search(shown, city="Warszawa"))[0][:5] == "17:00"


async def test_given_a_move_to_a_held_slot_when_moved_on_then_the_hold_does_not_come_back(
    shown: House,
) -> None:
    first = booked(FIRST, JAN)
    second = moved(first, SECOND, hold_id=JANS_HOLD.hold_id)
    await happened(shown, first, JANS_HOLD)
    await happened(shown, second)
    await happened(shown, moved(second, THIRD))
    found = lines(await search(shown, city="Warszawa"))
    assert [line[:5] for line in found] == ["17:00", "17:00", "17:30", "17:30", "18:30", "18:30"]


async def test_given_two_patients_on_the_doctors_time_when_one_lets_go_then_it_is_still_the_others(
    shown: House,
) -> None:
    there = booked(IN_MOKOTOW, JAN)
    await happened(shown, ANNAS_HOLD, there)
    await happened(shown, released(ANNAS_HOLD))
    assert lines(await search(shown, city="Warszawa"))[0][:5] == "17:30"
    assert await shown.state.views.fetchval("select array_agg(id) from free_slots_busy") == [
        there.appointment_id
    ]


async def test_given_partitions_in_any_order_when_applied_then_the_search_and_the_rows_are_the_same(
    shown: House,
) -> None:
    await shown.decider.append(A_BUSY_DAY, CONTEXT)
    log = await shown.store.tail(0, 1000)
    await catch_up(shown)
    expected = await seen(shown)
    for seed in range(20):
        await shown.state.views.execute(f"truncate {', '.join(TABLES)}")
        for batch in interleaved(log, random.Random(seed)):
            await project(shown.state.views, batch)
        assert await seen(shown) == expected
    await project(shown.state.views, log)
    assert await seen(shown) == expected


def interleaved(log: list[StoredEvent], chance: random.Random) -> Iterator[list[StoredEvent]]:
    """Yield batches that keep each partition's order and mix the partitions; one of them comes last."""
    waiting: dict[int, list[StoredEvent]] = defaultdict(list)
    for stored in log:
        waiting[received_from(stored).partition].append(stored)
    delayed = waiting.pop(chance.choice(sorted(waiting)))
    while waiting:
        partition = chance.choice(sorted(waiting))
        count = chance.randint(1, len(waiting[partition]))
        yield waiting[partition][:count]
        waiting[partition] = waiting[partition][count:]
        if not waiting[partition]:
            del waiting[partition]
    yield delayed


async def seen(house: House) -> tuple[list[str], list[Any]]:
    return lines(await search(house, limit="100")), await rows(house.state.views, TABLES)


async def rows(views: Any, tables: Sequence[str]) -> list[Any]:
    return [await views.fetch(f"select * from {table} order by 1, 2") for table in tables]  # noqa: S608


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (DoctorDayOpened, FacilityAdded),
        (FacilityAdded, DoctorDayOpened),
        (DoctorDayOpened, AppointmentBooked),
        (AppointmentBooked, DoctorDayOpened),
    ],
)
async def test_given_both_sides_in_transactions_side_by_side_when_committed_then_each_has_seen_the_other(
    shown: House, first: type[Event], second: type[Event]
) -> None:
    views = shown.state.views
    await happened(shown, booked(FIRST))
    expected = await rows(views, FREE_SLOTS_TABLES)
    log = [received_from(stored) for stored in await shown.store.tail(0, 1000)]
    await views.execute(f"truncate {', '.join(FREE_SLOTS_TABLES)}")
    await apply(views, [r for r in log if not isinstance(r.event, first | second)])
    async with views.acquire() as connection:
        async with connection.transaction():
            await FREE_SLOTS.apply(connection, [r for r in log if isinstance(r.event, first)])
            behind = asyncio.create_task(apply(views, [r for r in log if isinstance(r.event, second)]))
            await waiting_for_a_lock(views, behind)
        await behind
    assert await rows(views, FREE_SLOTS_TABLES) == expected


async def apply(views: Any, batch: list[Received]) -> None:
    async with views.acquire() as connection, connection.transaction():
        await FREE_SLOTS.apply(connection, [r for r in batch if isinstance(r.event, FREE_SLOTS.events)])


async def waiting_for_a_lock(views: Any, task: asyncio.Task[None]) -> None:
    """Return once somebody waits for a lock in this database, or the task has ended without."""
    async with asyncio.timeout(10):
        while not task.done() and not await views.fetchval(_WAITING):  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)


_WAITING = """
select exists (
    select from pg_locks l join pg_database d on d.oid = l.database
    where d.datname = current_database() and l.locktype = 'advisory' and not l.granted
)
"""
