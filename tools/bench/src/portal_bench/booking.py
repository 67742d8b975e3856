"""How many visits a second can be booked through the gateway, and how long does a patient wait for one?

The network, its doctors' days and its slots come through the handlers. Every request books a slot that nobody
has yet, for a patient who has room: each patient books one slot a day at most, on fewer days than the limit.
"""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from booking.add_doctor.decide import ADD_DOCTOR, AddDoctor
from booking.add_facility.decide import ADD_FACILITY, AddFacility
from booking.add_service.decide import ADD_SERVICE, AddService
from booking.open_doctor_day.decide import OPEN_DOCTOR_DAY, OpenDoctorDay, Session
from booking.rules.wall_clock import Hours
from portal_bench.bare import make_tables
from portal_bench.crowd import Ask, Order, pack
from portal_bench.people import Person, signed_in
from portal_bench.portal import Portal
from portal_bench.report import Result
from portal_bench.rounds import CONNECTIONS, Rounds, Sizes, ceiling
from portal_events.booking import DoctorDayOpened, Mode, ServiceKind
from portal_events.identity import Level
from portal_eventstore.command import Context
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore

PATIENTS: Final = 4_800
DAYS: Final = 8
"""Fewer than the limit of visits ahead."""

_MINUTES: Final = 15
_HOURS: Final = Hours(time(8), time(14))
_SLOTS_A_DAY: Final = 24
_SERVICES: Final = 40
_RATE: Final = 50
_GOAL: Final = 0.35
_LONGEST_MS: Final = 50.0
_SEEN_SECONDS: Final = 120.0
_OFFERED: Final = "select count(*) from free_slots_offer"


@dataclass(frozen=True, slots=True)
class Wish:
    """One booking to be made."""

    person: Person
    slot_id: UUID

    def ask(self) -> Ask:
        """Return the request to the gateway."""
        headers = {"Cookie": self.person.cookie, "X-Portal-CSRF": "1", "Idempotency-Key": str(uuid4())}
        return Ask("POST", "/api/appointments", headers, orjson.dumps({"slotId": self.slot_id}))


def measure(portal: Portal, sizes: Sizes) -> Result:
    """Measure bookings through the gateway beside single inserts."""
    asyncio.run(make_tables(portal.databases["floor"], rows=0))
    asks = [wish.ask() for wish in asyncio.run(make_wishes(portal, sizes.size or PATIENTS))]
    wishes = pack(portal.state / "bookings", asks)
    inserts = pack(portal.state / "inserts", [Ask("POST", "/bookings", {}, ask.body) for ask in asks[:2000]])
    rounds, used = Rounds(portal), 0

    def book(name: str, connections: int, seconds: float, rate: float | None = None) -> int:
        order = Order(portal.port, str(wishes), connections, seconds, rate, first=used, again=False)
        return rounds.ask(name, order, status=201)

    for _ in range(sizes.rounds):
        rounds.ask("bare insert", Order(portal.bare, str(inserts), CONNECTIONS, sizes.seconds), status=201)
        used += book("booking", CONNECTIONS, sizes.seconds)
    used += book(f"booking, {_RATE} a second", CONNECTIONS, sizes.steady_seconds, _RATE)
    figure, floor, p99 = (
        rounds.rate("booking"),
        rounds.rate("bare insert"),
        rounds.p99(f"booking, {_RATE} a second"),
    )
    return Result(
        name="booking",
        figure=round(figure, 1),
        unit=f"bookings/s through the gateway, {CONNECTIONS} connections",
        floor=round(floor, 1),
        goal=f"{_GOAL} of a bare endpoint's inserts; p99 at most {_LONGEST_MS:.0f} ms at {_RATE}/s",
        met=figure >= _GOAL * floor and p99 <= _LONGEST_MS,
        peers={**rounds.figures(), "ceiling of the crowd": ceiling(portal.spare, inserts, sizes.seconds)},
    )


async def make_wishes(portal: Portal, patients: int) -> list[Wish]:
    """Open the network and its days, sign patients in and return what they may book, in random order."""
    chance = random.Random(1)
    store = await PostgresStore.connect(portal.databases["booking"], "booking")
    decider = Decider(store)
    view = await asyncpg.connect(portal.databases["booking"])
    offered = await view.fetchval(_OFFERED)
    slots = await _open_days(decider, ceil(patients / _SLOTS_A_DAY))
    await decider.close()
    await store.close()
    people = await signed_in(portal.databases["gateway"], [uuid7() for _ in range(patients)])
    wishes = []
    for day in slots:
        chance.shuffle(people)
        wishes += [Wish(person, slot) for person, slot in zip(people, day, strict=False)]
    offered += sum(map(len, slots))
    async with asyncio.timeout(_SEEN_SECONDS):
        while await view.fetchval(_OFFERED) < offered:  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(0.2)
    await view.execute("vacuum analyze")
    await view.close()
    chance.shuffle(wishes)
    return wishes


async def _open_days(decider: Decider, doctors: int) -> list[list[UUID]]:
    """Return the slots of each day."""
    now = datetime.now(UTC)
    context = Context(time=now, actor="system:bench", correlation_id=uuid4())
    services, facility = [uuid7() for _ in range(_SERVICES)], uuid7()
    ids = [uuid7() for _ in range(doctors)]
    await decider.execute(ADD_FACILITY, _facility(facility), context)
    await asyncio.gather(
        *(decider.execute(ADD_SERVICE, _service(service), context) for service in services),
        *(decider.execute(ADD_DOCTOR, _doctor(doctor), context) for doctor in ids),
    )
    dates = [now.date() + timedelta(days=2 + day) for day in range(DAYS)]
    opened = await asyncio.gather(
        *(
            decider.execute(OPEN_DOCTOR_DAY, _day(doctor, day, services[n % _SERVICES], facility), context)
            for n, doctor in enumerate(ids)
            for day in dates
        )
    )
    slots: dict[date, list[UUID]] = defaultdict(list)
    for outcome in opened:
        for event in outcome.events:
            if isinstance(event, DoctorDayOpened):
                slots[event.date] += [slot.slot_id for slot in event.slots]
    return list(slots.values())


def _day(doctor_id: UUID, day: date, service_id: UUID, facility_id: UUID) -> OpenDoctorDay:
    session = Session(
        facility_id=facility_id,
        service_id=service_id,
        mode=Mode.IN_PERSON,
        hours=_HOURS,
        minutes=_MINUTES,
    )
    return OpenDoctorDay(doctor_id=doctor_id, day=day, sessions=(session,))


def _service(service_id: UUID) -> AddService:
    return AddService(
        service_id=service_id,
        name="Internista",
        name_en="Internist",
        kind=ServiceKind.CONSULTATION,
        modes=tuple(Mode),
        levels=tuple(Level),
        referral_required=False,
        price=19900,
        covered=False,
        preparation="",
        preparation_en="",
    )


def _facility(facility_id: UUID) -> AddFacility:
    return AddFacility(
        facility_id=facility_id,
        name="Zdrovia Ochota",
        street="ul. 1 Sierpnia 8",
        postal_code="02-134",
        city="Warszawa",
        zone="Europe/Warsaw",
        phone="+48220000000",
        partner=False,
    )


def _doctor(doctor_id: UUID) -> AddDoctor:
    return AddDoctor(doctor_id=doctor_id, name="lek. med. Anna Nowak", pwz="5425740", languages=("pl",))
