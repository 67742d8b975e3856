"""How does the demo network come into an empty portal?

Through the same decisions and handlers that people's requests reach, in process: no row is inserted here.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from booking.add_doctor.decide import ADD_DOCTOR
from booking.add_facility.decide import ADD_FACILITY
from booking.add_service.decide import ADD_SERVICE
from portal_demo.bookings import carry_out, done, steps
from portal_demo.doctors import doctors
from portal_demo.history import SCALES, History, history
from portal_demo.network import FACILITIES, SERVICES, ZONE, demo_id
from portal_demo.passwords import Passwords
from portal_demo.people import NETWORK_AGE, STAFF, patients
from portal_demo.registry import ACTOR, register
from portal_eventstore.command import Context
from portal_eventstore.decision import Criterion
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.store import Query

_WARSAW: Final = ZoneInfo(ZONE)


async def is_empty(database_urls: Mapping[str, str]) -> bool:
    """Say whether nothing is there yet, or only a demo network that was not finished."""
    async with _booking(database_urls) as store:
        first = await store.tail(0, 1)
        if not first:
            return True
        [found] = await store.read([Query((Criterion(f"appointment:{_last_appointment()}"),))])
    return first[0].metadata.actor == ACTOR and not found


async def seed(
    *, now: datetime, database_urls: Mapping[str, str], secrets: Path, scale: str = "small"
) -> dict[str, Any]:
    """Write a network that is shown from `now` on, its schedule and its history; return who can sign in.

    Again, at whatever time and scale: adds what is missing of the first seed, and nothing else.
    """
    passwords = Passwords(secrets)
    async with _booking(database_urls) as store:
        first, scale = await _began(store) or (now.astimezone(_WARSAW).date(), scale)
        past = history(first, SCALES[scale])
        decider = Decider(store)
        await _describe_network(decider, past, _correlation(scale))
        known = await register(past, passwords, database_urls["identity"], secrets)
        there = await done(store)
        missing = [step for step in steps(past, known) if step.event not in there]
        # Whether this one is there says whether the seed is finished.
        end = [step for step in missing if step.event and str(_last_appointment()) in step.event[1]]
        await carry_out((step for step in missing if step not in end), decider, _correlation(scale))
        await carry_out(end, decider, _correlation(scale))
        await decider.close()
    return _who_can_sign_in(past, passwords)


@asynccontextmanager
async def _booking(database_urls: Mapping[str, str]) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.connect(database_urls["booking"], "booking")
    try:
        yield store
    finally:
        await store.close()


async def _began(store: PostgresStore) -> tuple[date, str] | None:
    """Return the first day and the scale of a seed that has begun: its first event tells both."""
    for first in await store.tail(0, 1):
        for scale in SCALES:
            if first.metadata.correlation_id == _correlation(scale):
                return first.time.astimezone(_WARSAW).date() + NETWORK_AGE, scale
    return None


async def _describe_network(decider: Decider, past: History, correlation_id: UUID) -> None:
    context = Context(time=past.opened_at, actor=ACTOR, correlation_id=correlation_id)
    await asyncio.gather(
        *(decider.execute(ADD_SERVICE, service, context) for service in SERVICES.values()),
        *(decider.execute(ADD_FACILITY, facility, context) for facility in FACILITIES.values()),
        *(decider.execute(ADD_DOCTOR, doctor, context) for doctor in doctors()),
    )


def _correlation(scale: str) -> UUID:
    return demo_id(f"seed/{scale}")


def _last_appointment() -> UUID:
    """Return the id of the visit that is booked last, whatever the first day."""
    last = patients(date.min.replace(year=2000))[-1]
    return demo_id(f"appointment/{last.email}/{len(last.visits) - 1}")


def _who_can_sign_in(past: History, passwords: Passwords) -> dict[str, Any]:
    return {
        "patients": [
            {
                "email": patient.email,
                "password": passwords.of(patient.email),
                "pesel": patient.pesel,
                "level": patient.level.value,
                "note": patient.note,
            }
            for patient in past.accounts
        ],
        "staff": [
            {
                "email": member.email,
                "password": passwords.of(member.email),
                "totpSecret": None,
                "roles": [role.value for role in member.roles],
            }
            for member in STAFF
        ],
        "banks": [],
    }
