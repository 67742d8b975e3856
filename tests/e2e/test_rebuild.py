"""Is a view built anew under people's hands, without one of them noticing?"""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import httpx
import pytest
from tests.services import VIEWS

from portal_eventstore.rebuild.digest import SETTINGS, digest
from portal_faults.running import DEADLINE, RunningPortal, eventually

from .browser import Browser, Patient, Sent, apart
from .conftest import SignUp, SlotsSoon

pytestmark = pytest.mark.connected

COMMANDS_A_SECOND = 50
PEOPLE = 8
READERS = 4
VIEWED = sorted({service for service, _ in VIEWS.values()})


async def rebuild(portal: RunningPortal, view: str) -> str:
    """Return what the command says in the end."""
    done = await asyncio.to_thread(portal.tell, "rebuild", view)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Crowd:
    """People who book, move and cancel at a fixed rate all the time, and read without a pause."""

    def __init__(self, patients: Sequence[Patient], slots: Sequence[str]) -> None:
        """Two slots for each of the patients."""
        self.commands = 0
        self.reads = 0
        self.seconds = 0.0
        self.failures: list[str] = []
        self._patients = patients
        self._slots = list(zip(slots[::2], slots[1::2], strict=True))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Run them beside the block."""
        done, began = asyncio.Event(), time.monotonic()
        tasks = [asyncio.create_task(self._read(one.browser, done)) for one in self._patients[:READERS]]
        tasks += [
            asyncio.create_task(self._command(one.browser, *slots, done))
            for one, slots in zip(self._patients, self._slots, strict=True)
        ]
        try:
            yield
        finally:
            done.set()
            await asyncio.gather(*tasks)
            self.seconds = time.monotonic() - began

    async def _read(self, browser: Browser, done: asyncio.Event) -> None:
        while not done.is_set():
            self._note(await browser.get("/api/timeline"), 200)
            self.reads += 1

    async def _command(self, browser: Browser, slot: str, other: str, done: asyncio.Event) -> None:
        due = time.monotonic()
        while not done.is_set():
            booked = await browser.book(slot)
            self._note(booked, 201)
            appointment = booked.json().get("appointmentId")
            due = await self._in_time(due)
            self._note(await browser.move(appointment, other), 200)
            due = await self._in_time(due)
            self._note(await browser.post(f"/api/appointments/{appointment}/cancellation"), 200)
            due = await self._in_time(due)

    async def _in_time(self, due: float) -> float:
        """Wait for the next command's time, which does not depend on how long the last one took."""
        self.commands += 1
        due += len(self._patients) / COMMANDS_A_SECOND
        await asyncio.sleep(due - time.monotonic())
        return due

    def _note(self, response: httpx.Response, wanted: int) -> None:
        if response.status_code != wanted:
            self.failures.append(f"{response.request.method} {response.request.url.path}: {response.text}")


async def test_given_people_book_cancel_and_read_when_the_timeline_is_rebuilt_then_nobody_notices(
    portal: RunningPortal, patient: Patient, sign_up: SignUp
) -> None:
    free = [slot["slotId"] for slot in apart(await patient.browser.slots("Cardiologist"))]
    # The bystander has a visit; no word of it may come again.
    assert (await patient.browser.book(free[20])).status_code == 201
    await patient.browser.timeline()
    crowd = Crowd([await sign_up() for _ in range(PEOPLE)], free[21 : 21 + 2 * PEOPLE])
    unsent = "select 1 as none where not exists (select from mail_order)"
    await eventually(lambda: portal.query("identity", unsent), "all mails are sent")
    mails = len(list(portal.mails.iterdir()))
    told: list[str] = []
    async with listener(portal, told) as connection, followed(patient.browser) as heard, crowd.at_work():
        said = await rebuild(portal, "gateway/timeline")
        assert "equal to the tables before" in said, said
        await connection.execute(
            "update timeline set minutes = minutes + 1 where patient_id = $1", UUID(patient.patient_id)
        )
        said = await rebuild(portal, "gateway/timeline")
        assert "DIFFERS from the tables that it replaced" in said, said
        assert patient.patient_id in said
        said = await rebuild(portal, "gateway/timeline")
        assert "equal to the tables before" in said, said
        assert not heard.done()

    assert crowd.failures == []
    # Whoever is late catches up: only a portal that cannot take as many falls behind.
    assert crowd.commands / crowd.seconds > 0.9 * COMMANDS_A_SECOND
    assert crowd.reads > 0
    assert patient.patient_id not in told
    assert told != []
    assert len(list(portal.mails.iterdir())) == mails


@asynccontextmanager
async def listener(portal: RunningPortal, told: list[str]) -> AsyncIterator[asyncpg.Connection]:
    """Note whose timelines the gateway's processes are told of; give the connection."""
    connection = await asyncpg.connect(portal.database_urls["gateway"])
    try:
        await connection.add_listener("timeline", lambda *heard: told.extend(heard[-1].split()))
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def followed(browser: Browser) -> AsyncIterator[asyncio.Task[Sent | None]]:
    """Give what comes next on a person's open stream."""
    stream = await browser.follow()
    ready = await stream.next()
    assert ready is not None
    assert ready.event == "ready"
    heard = asyncio.create_task(stream.next(within=10 * DEADLINE))
    try:
        yield heard
    finally:
        heard.cancel()
        await asyncio.gather(heard, return_exceptions=True)
        await stream.close()


async def test_given_all_tables_of_the_views_are_dropped_when_restarted_then_they_are_there_again(
    portal: RunningPortal, patient: Patient, slots_soon: SlotsSoon
) -> None:
    [slot] = await slots_soon()
    booked = (await patient.browser.book(slot["slotId"])).json()["appointmentId"]
    assert await patient.browser.timeline() == [booked]
    before = {service: await contents(portal, service) for service in VIEWED}
    assert all(len(tables) > 2 for tables in before.values())
    workers = [portal.hurt(f"{service}-worker", signal.SIGKILL) for service in VIEWED]
    for service in VIEWED:
        await portal.query(service, "drop table " + ", ".join(before[service]))

    async def again() -> bool:
        try:
            return all([await contents(portal, service) == before[service] for service in VIEWED])
        except asyncpg.UndefinedTableError:
            return False

    await eventually(again, "the views are what they were", 3 * DEADLINE)
    await patient.browser.up_to_date(portal)
    assert all(portal.record(worker.name).identity != worker.identity for worker in workers)
    # What happens now is seen, too.
    await patient.browser.post(f"/api/appointments/{booked}/cancellation")
    booked_again = (await patient.browser.book(slot["slotId"])).json()["appointmentId"]
    assert booked_again in await patient.browser.timeline()


async def contents(portal: RunningPortal, service: str) -> dict[str, str]:
    """Return the digests of all tables of a service's views."""
    connection = await asyncpg.connect(portal.database_urls[service], server_settings=SETTINGS)
    try:
        tables = await connection.fetch("select unnest(tables) as name from projection_view order by 1")
        names = itertools.chain.from_iterable(row.values() for row in tables)
        return {name: (await digest(connection, "public", name)).digest for name in names}
    finally:
        await connection.close()
