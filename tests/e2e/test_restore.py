"""Does a service whose database was lost, or put back to yesterday, come back under a running portal?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from portal_faults.running import DEADLINE, RunningPortal, eventually

from .browser import Browser, Patient, refused
from .conftest import SlotsSoon

pytestmark = pytest.mark.connected


async def missing(portal: RunningPortal, process: str) -> list[str]:
    port = portal.record(process).port
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/readyz")
    return list(answer.json()["missing"])


async def all_published(portal: RunningPortal) -> int:
    """Wait until Kafka has everything, and return the log's end."""

    async def published() -> int | None:
        [row] = await portal.query(
            "booking", "select published, (select max(position) from event) as head from relay"
        )
        return row["head"] if row["published"] == row["head"] else None

    return await eventually(published, "everything is published")


async def is_ready_again(portal: RunningPortal, browser: Browser) -> None:
    async def ready() -> bool:
        return not await missing(portal, "booking") and not await missing(portal, "booking-worker")

    await eventually(ready, "booking is ready", 2 * DEADLINE)
    await browser.up_to_date(portal)


async def booked(browser: Browser, slot: dict[str, Any]) -> str:
    """Book a slot; return the appointment."""
    answer = await browser.book(slot["slotId"])
    assert answer.status_code == 201, answer.text
    return str(answer.json()["appointmentId"])


async def test_given_bookings_database_was_dropped_when_restored_then_store_views_and_booking_are_back(
    servers: Mapping[str, str], portal: RunningPortal, patient: Patient, slots_soon: SlotsSoon
) -> None:
    browser = patient.browser
    slot, other = await slots_soon(2)
    appointment = await booked(browser, slot)
    head = await all_published(portal)
    before = await portal.query("booking", "select * from event order by position")
    named = urlsplit(portal.database_urls["booking"])
    database = named.path.removeprefix("/")
    server = await asyncpg.connect(servers["PORTAL_TEST_DATABASE_URL"])
    try:
        await server.execute(f'drop database "{database}" with (force)')
        told = await asyncio.to_thread(portal.tell, "restore", "booking")
        assert told.returncode != 0
        assert "booking's database, or its role, does not exist" in told.stdout + told.stderr
        await server.execute(f'create database "{database}" owner "{named.username}"')
    finally:
        await server.close()

    restored = await asyncio.to_thread(portal.tell, "restore", "booking")

    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert f"{len(before):,} events imported" in restored.stdout
    assert await portal.query("booking", "select * from event order by position") == before
    await is_ready_again(portal, browser)
    assert [item["appointmentId"] for item in await browser.items("/api/appointments")] == [appointment]
    another = await booked(browser, other)
    [row] = await portal.query(
        "booking",
        "select min(position) as position from event_tag where tag = 'appointment:' || $1::text",
        another,
    )
    assert row["position"] > head
    verified = await asyncio.to_thread(portal.tell, "verify", "booking")
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def test_given_an_older_backup_was_put_back_when_written_then_refused_by_name_until_restored(
    portal: RunningPortal, patient: Patient, slots_soon: SlotsSoon
) -> None:
    browser = patient.browser
    slot, other = await slots_soon(2)
    appointment = await booked(browser, slot)
    head = await all_published(portal)
    connection = await asyncpg.connect(portal.database_urls["booking"])
    try:
        async with connection.transaction():
            for table in ("event", "event_tag"):
                await connection.execute(f"create table older (like {table} including all)")
                await connection.execute(
                    f"insert into older select * from {table} where position <= $1",  # noqa: S608
                    head - 1,
                )
                await connection.execute(f"drop table {table}")
                await connection.execute(f"alter table older rename to {table}")
            await connection.execute("select setval('event_position', $1)", head - 1)
    finally:
        await connection.close()
    sentence = (
        f"booking's store ends at position {head - 1}, but Kafka holds up to {head}: "
        "run ./portal restore booking"
    )
    for process in ("booking", "booking-worker"):

        async def told(process: str = process) -> bool:
            return sentence in await missing(portal, process)

        await eventually(told, f"{process} names the repair")
    answer = await browser.book(other["slotId"])
    assert refused(answer) == (503, "store-unavailable")
    assert answer.headers["Retry-After"]
    assert [item["appointmentId"] for item in await browser.items("/api/appointments")] == [appointment]

    restored = await asyncio.to_thread(portal.tell, "restore", "booking")

    assert restored.returncode == 0, restored.stdout + restored.stderr
    await is_ready_again(portal, browser)
    assert await booked(browser, other)
    verified = await asyncio.to_thread(portal.tell, "verify", "booking")
    assert verified.returncode == 0, verified.stdout + verified.stderr
