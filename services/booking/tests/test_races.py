"""Do the rules hold when many book at once, on PostgreSQL?"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from booking.book_appointment.decide import (
    BOOK_APPOINTMENT,
    BookAppointment,
)
from booking.open_doctor_day.decide import OPEN_DOCTOR_DAY, OpenDoctorDay, slot_id
from booking.rules.booking_limit import BookingLimit
from booking.rules.free_time import SlotTaken
from booking.rules.wall_clock import Hours
from booking.rules.wanted_slot import WantedSlot
from portal_events.identity import Level
from portal_eventstore.decision import Criterion, Refusal
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.store import Query

from .house import ANNA, CONTEXT, DAY, DENTIST, LIS, NOW, OCHOTA, SIX, open_network, session, slot_of

pytestmark = pytest.mark.connected


@pytest.fixture
async def deciders(database_url: str, views: Any) -> AsyncIterator[list[Decider]]:
    """Four processes' worth of Deciders on one database with the network open."""
    assert views
    stores = [await PostgresStore.connect(database_url, "booking") for _ in range(4)]
    deciders = [Decider(store) for store in stores]
    await open_network(deciders[0])
    yield deciders
    for decider in deciders:
        await decider.close()
    for store in stores:
        await store.close()


def book(patient: UUID, *, minutes: int = 0, days: int = 0, doctor: UUID | None = None) -> BookAppointment:
    starts_at = SIX + timedelta(days=days, minutes=minutes)
    wanted = slot_of(starts_at) if doctor is None else slot_id(doctor, OCHOTA, DENTIST, starts_at)
    return BookAppointment(
        appointment_id=uuid7(),
        patient_id=patient,
        slot=WantedSlot(
            slot_id=wanted,
            doctor_id=doctor or UUID(int=31),
            service_id=DENTIST,
            starts_at=starts_at,
            minutes=30,
        ),
        level=Level.BASIC,
        now=NOW,
    )


async def at_once(deciders: list[Decider], commands: list[BookAppointment]) -> list[object]:
    """Execute the commands in parallel, spread over the Deciders."""

    async def attempt(number: int, command: BookAppointment) -> object:
        try:
            return await deciders[number % len(deciders)].execute(BOOK_APPOINTMENT, command, CONTEXT)
        except Refusal as refusal:
            return type(refusal)

    return await asyncio.gather(*(attempt(n, command) for n, command in enumerate(commands)))


async def bookings(database_url: str, tag: str) -> int:
    store = await PostgresStore.connect(database_url, "booking")
    try:
        [found] = await store.read([Query((Criterion(tag, ("AppointmentBooked",)),))])
    finally:
        await store.close()
    return len(found)


async def test_given_one_slot_when_sixteen_book_it_at_once_then_one_has_it(
    deciders: list[Decider], database_url: str
) -> None:
    answers = await at_once(deciders, [book(UUID(int=1000 + n)) for n in range(16)])
    assert sum(answer is SlotTaken for answer in answers) == 15
    assert await bookings(database_url, f"doctor-day:{UUID(int=31)}:{DAY}") == 1


async def test_given_nine_bookings_when_three_more_come_at_once_then_one_fits(
    deciders: list[Decider], database_url: str
) -> None:
    for days in range(1, 4):
        await deciders[0].execute(
            OPEN_DOCTOR_DAY,
            OpenDoctorDay(
                doctor_id=LIS,
                day=DAY + timedelta(days=days),
                sessions=(session(OCHOTA, Hours(SIX.time().replace(hour=18), SIX.time().replace(hour=20))),),
            ),
            CONTEXT,
        )
    ahead = [(days, minutes) for days in range(1, 4) for minutes in (0, 30, 60, 90)]
    commands = [book(ANNA, days=days, minutes=minutes, doctor=LIS) for days, minutes in ahead]
    for command in commands[:9]:
        await deciders[0].execute(BOOK_APPOINTMENT, command, CONTEXT)
    answers = await at_once(deciders, commands[9:])
    assert sum(answer is BookingLimit for answer in answers) == 2
    assert await bookings(database_url, f"patient:{ANNA}") == 10
