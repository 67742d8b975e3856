"""How many searches a second does the portal answer among 4.9 million free slots?"""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote
from uuid import UUID

from booking.catalogue.project import CATALOGUE
from booking.free_slots.project import FREE_SLOTS
from portal_bench.crowd import Ask
from portal_bench.growing import Growing
from portal_bench.network import DAYS, DOCTORS, SLOTS_A_DAY, TAKEN, Network, working_days
from portal_bench.people import Person, signed_in
from portal_bench.portal import Portal
from portal_bench.report import Result
from portal_bench.rounds import Sizes
from portal_bench.views import apply, filling

_SLOTS_OF_A_DOCTOR: Final = DAYS * SLOTS_A_DAY * (TAKEN - 1) // TAKEN
_SEARCHERS: Final = 2_000
_SEARCHES: Final = 5_000
_GOAL: Final = 0.35
_LONGEST_MS: Final = 50.0

_MIX: Final = {
    "city": 35,
    "city day": 15,
    "city part": 15,
    "doctor": 10,
    "city language": 10,
    "city mode": 10,
    "": 5,
}
"""What people give beside the service, and how often."""


def measure(portal: Portal, sizes: Sizes) -> Result:
    """Measure searches through the gateway beside bare reads of 50 rows."""
    doctors = max(1, sizes.size // _SLOTS_OF_A_DOCTOR) if sizes.size else DOCTORS
    growing = Growing(portal, sizes, [Ask("GET", f"/slots/{UUID(int=n % 400)}") for n in range(_SEARCHES)])
    searchers = asyncio.run(signed_in(portal.databases["gateway"], [UUID(int=n) for n in range(_SEARCHERS)]))
    small, full = Network(max(1, doctors // 100), 1), Network(doctors, 2)
    asyncio.run(fill(portal.databases["booking"], small))
    growing.among("search, a hundredth", searches(small, searchers))
    asyncio.run(fill(portal.databases["booking"], full))
    growing.steadily("search", growing.among("search", searches(full, searchers)))
    return growing.result("search", "search, a hundredth", "search", goal=_GOAL, longest_ms=_LONGEST_MS)


async def fill(database_url: str, network: Network) -> None:
    """Write the network and its slots into booking's views."""
    dates = working_days(datetime.now(UTC).date())
    print(f"filling {len(network.doctors) * DAYS * SLOTS_A_DAY:,} slots", flush=True)
    # Visits first: an offer looks them up by an index, where a visit would look for its offers without one.
    async with filling(database_url, "free_slots_offer") as connection:
        members = list(network.members())
        await apply(connection, CATALOGUE, members)
        await apply(connection, CATALOGUE, network.days(dates[:1]))
        await apply(connection, FREE_SLOTS, [m for m in members if isinstance(m, FREE_SLOTS.events)])
        await apply(connection, FREE_SLOTS, network.visits(dates))
        await apply(connection, FREE_SLOTS, network.days(dates))


def searches(network: Network, searchers: Sequence[Person]) -> list[Ask]:
    """Return what people look for: each a doctor's service, where and when that doctor works."""
    chance = random.Random(1)
    dates = working_days(datetime.now(UTC).date())
    asks = []
    for _ in range(_SEARCHES):
        doctor = chance.choice(network.doctors)
        [given] = chance.choices(list(_MIX), list(_MIX.values()))
        wanted = {"serviceId": str(doctor.service)}
        for filter_ in given.split():
            match filter_:
                case "city":
                    wanted["city"] = quote(doctor.city)
                case "day":
                    day = chance.choice(dates[:20]).isoformat()
                    wanted |= {"from": day, "to": day}
                case "part":
                    wanted["partOfDay"] = chance.choice(("morning", "afternoon"))
                case "doctor":
                    wanted["doctorId"] = str(doctor.id)
                case "language":
                    wanted["language"] = chance.choice(doctor.languages)
                case "mode":
                    wanted["mode"] = doctor.mode.value
        query = "&".join(f"{name}={value}" for name, value in wanted.items())
        asks.append(Ask("GET", f"/api/slots?{query}", {"Cookie": chance.choice(searchers).cookie}))
    return asks
