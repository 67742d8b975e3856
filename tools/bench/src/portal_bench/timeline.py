"""How many pages of a timeline a second does the gateway serve among 10 million items?"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.directory.project import DIRECTORY
from gateway.timeline.project import TIMELINE
from portal_bench.bare import PEOPLE
from portal_bench.crowd import Ask
from portal_bench.growing import Growing
from portal_bench.network import ZONE, Network
from portal_bench.people import Person, signed_in
from portal_bench.portal import Portal
from portal_bench.report import Result
from portal_bench.rounds import Sizes
from portal_bench.views import apply, filling
from portal_chassis.levels import LEVELS
from portal_events.booking import AppointmentBooked, Source
from portal_events.identity import ConfirmationMethod, IdentityConfirmed

ITEMS: Final = 10_000_000
ITEMS_EACH: Final = 20
COPIES: Final = 100
_READERS: Final = 5_000
_DOCTORS: Final = 400
_GOAL: Final = 0.6
_LONGEST_MS: Final = 15.0

_COPY: Final = """
insert into timeline ({columns})
select {values} from timeline t, generate_series(1, $1::int - 1) as copy
order by copy, t.patient_id, t.starts_at
"""
_COLUMNS: Final = """
select attname from pg_attribute
where attrelid = 'timeline'::regclass and attnum > 0 and not attisdropped order by attnum
"""
_OWN: Final = ("patient_id", "id", "appointment_id")
"""What differs from copy to copy: the first eight digits are the copy's number."""


def measure(portal: Portal, sizes: Sizes) -> Result:
    """Measure pages through the gateway beside bare reads of 20 rows."""
    patients = max(1, (sizes.size or ITEMS) // COPIES // ITEMS_EACH)
    people = min(PEOPLE, max(1, (sizes.size or ITEMS) // ITEMS_EACH))
    chance = random.Random(1)
    bare = [Ask("GET", f"/items/{UUID(int=chance.randrange(people))}") for _ in range(_READERS)]
    growing = Growing(portal, sizes, bare)
    database = portal.databases["gateway"]
    asyncio.run(fill(database, patients))
    few = [_patient(chance.randrange(patients)) for _ in range(_READERS)]
    growing.among("timeline, a hundredth", pages(asyncio.run(read_by(database, few))))
    asyncio.run(copy(database))
    many = [_patient(chance.randrange(patients), chance.randrange(COPIES)) for _ in range(_READERS)]
    requests = growing.among("timeline", pages(asyncio.run(read_by(database, many))))
    growing.steadily("timeline", requests)
    return growing.result("timeline", "timeline, a hundredth", "timeline", goal=_GOAL, longest_ms=_LONGEST_MS)


async def fill(database_url: str, patients: int) -> None:
    """Write the names and the first copy's items."""
    network = Network(_DOCTORS, 1)
    print(f"filling {patients * ITEMS_EACH:,} items", flush=True)
    async with filling(database_url, "timeline") as connection:
        await apply(connection, DIRECTORY, network.members())
        await apply(connection, TIMELINE, _visits(network, patients))


async def copy(database_url: str) -> None:
    """Write as many items for as many other patients, again and again."""
    print(f"filling {COPIES} times as many", flush=True)
    async with filling(database_url, "timeline") as connection:
        columns = [row["attname"] for row in await connection.fetch(_COLUMNS)]
        values = (
            f"(lpad(to_hex(copy), 8, '0') || substr(t.{c}::text, 9))::uuid" if c in _OWN else f"t.{c}"
            for c in columns
        )
        await connection.execute(_COPY.format(columns=", ".join(columns), values=", ".join(values)), COPIES)


async def read_by(database_url: str, patient_ids: Sequence[UUID]) -> list[Person]:
    """Sign these patients in, whose identity is confirmed: they see everything."""
    distinct = list(dict.fromkeys(patient_ids))
    async with filling(database_url) as connection:
        await apply(connection, LEVELS, map(_confirmed, distinct))
    return await signed_in(database_url, distinct)


def pages(readers: Sequence[Person]) -> list[Ask]:
    """Return what the readers ask, in no order."""
    asks = [Ask("GET", "/api/timeline", {"Cookie": reader.cookie}) for reader in readers]
    random.Random(1).shuffle(asks)
    return asks


def _confirmed(patient_id: UUID) -> IdentityConfirmed:
    return IdentityConfirmed(account_id=patient_id, patient_id=patient_id, method=ConfirmationMethod.FACILITY)


def _patient(number: int, copy: int = 0) -> UUID:
    return UUID(int=copy << 96 | number)


def _visits(network: Network, patients: int) -> Iterator[AppointmentBooked]:
    now = datetime.now(UTC)
    number = 0
    for patient in range(patients):
        for item in range(ITEMS_EACH):
            number += 1
            doctor = network.doctors[number * 7919 % len(network.doctors)]
            yield AppointmentBooked.model_construct(
                appointment_id=UUID(int=number),
                slot_id=UUID(int=number),
                patient_id=_patient(patient),
                doctor_id=doctor.id,
                service_id=doctor.service,
                facility_id=doctor.facility,
                mode=doctor.mode,
                # Half of them are over.
                starts_at=now + timedelta(days=7 * (item - ITEMS_EACH // 2), minutes=patient % 600),
                minutes=15,
                zone=ZONE,
                source=Source.PORTAL,
            )
