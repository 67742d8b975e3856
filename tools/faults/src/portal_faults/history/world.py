"""Over what do the clients quarrel? Few doctors, few days, and slots that get in each other's way.

Every doctor offers the same hours at two addresses with visits of different lengths, so that a visit at one
overlaps several at the other; and a visit across midnight in Warsaw, at an address on another clock, which
touches two of the doctor's days.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
from uuid_utils.compat import uuid7

from booking.add_doctor.decide import ADD_DOCTOR, AddDoctor
from booking.add_facility.decide import ADD_FACILITY, AddFacility
from booking.add_service.decide import ADD_SERVICE, AddService
from booking.open_doctor_day.decide import OPEN_DOCTOR_DAY, OpenDoctorDay, Session
from booking.rules.wall_clock import Hours
from portal_bench.people import Person, signed_in
from portal_events.booking import DoctorDayOpened, Mode, ServiceKind
from portal_events.identity import Level
from portal_eventstore.command import Context
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_faults.history.operation import Slot

_SEEN_SECONDS: Final = 60.0
_WARSAW, _LISBON = "Europe/Warsaw", "Europe/Lisbon"
_MORNING, _NIGHT, _LATE = (
    Hours(time(8), time(12)),
    Hours(time(0), time(1)),
    Hours(time(22, 30), time(23, 30)),
)


@dataclass(frozen=True, slots=True)
class World:
    """What there is to quarrel over, and who does."""

    slots: list[Slot]
    people: list[Person]


async def make_world(booking_url: str, gateway_url: str, *, doctors: int, days: int, patients: int) -> World:
    """Open the doctors' days through booking's own decisions, and sign patients in."""
    store = await PostgresStore.connect(booking_url, "booking")
    decider = Decider(store)
    try:
        slots = await _open_days(decider, doctors, days)
    finally:
        await decider.close()
        await store.close()
    people = await signed_in(gateway_url, [uuid7() for _ in range(patients)])
    await _until_offered(booking_url, [UUID(slot.slot) for slot in slots])
    return World(slots, people)


async def _open_days(decider: Decider, doctors: int, days: int) -> list[Slot]:
    now = datetime.now(UTC)
    context = Context(time=now, actor="system:histories", correlation_id=uuid4())
    service, here, there, abroad = (uuid7() for _ in range(4))
    ids = [uuid7() for _ in range(doctors)]
    await asyncio.gather(
        decider.execute(ADD_SERVICE, _service(service), context),
        *(decider.execute(ADD_FACILITY, _facility(place, _WARSAW), context) for place in (here, there)),
        decider.execute(ADD_FACILITY, _facility(abroad, _LISBON), context),
        *(decider.execute(ADD_DOCTOR, _doctor(doctor), context) for doctor in ids),
    )
    sessions = (
        _session(service, here, _MORNING, 15),
        _session(service, there, _MORNING, 20),
        _session(service, here, _NIGHT, 15),
        _session(service, abroad, _LATE, 60),
    )
    dates = [now.date() + timedelta(days=2 + day) for day in range(days)]
    opened = await asyncio.gather(
        *(
            decider.execute(
                OPEN_DOCTOR_DAY, OpenDoctorDay(doctor_id=doctor, day=day, sessions=sessions), context
            )
            for doctor in ids
            for day in dates
        )
    )
    events = [event for outcome in opened for event in outcome.events if isinstance(event, DoctorDayOpened)]
    return [
        Slot(
            slot=str(slot.slot_id),
            doctor=str(event.doctor_id),
            service=str(slot.service_id),
            starts_at=slot.starts_at.timestamp(),
            ends_at=slot.starts_at.timestamp() + 60 * slot.minutes,
        )
        for event in events
        for slot in event.slots
    ]


async def _until_offered(booking_url: str, slots: list[UUID]) -> None:
    connection = await asyncpg.connect(booking_url)
    try:
        async with asyncio.timeout(_SEEN_SECONDS):
            offered = "select count(*) from free_slots_offer where slot_id = any ($1)"
            while await connection.fetchval(offered, slots) < len(slots):  # noqa: ASYNC110  another process writes it
                await asyncio.sleep(0.1)
    finally:
        await connection.close()


def _session(service: UUID, facility: UUID, hours: Hours, minutes: int) -> Session:
    return Session(
        facility_id=facility, service_id=service, mode=Mode.IN_PERSON, hours=hours, minutes=minutes
    )


def _service(service: UUID) -> AddService:
    return AddService(
        service_id=service,
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


def _facility(facility: UUID, zone: str) -> AddFacility:
    return AddFacility(
        facility_id=facility,
        name="Zdrovia Ochota",
        street="ul. 1 Sierpnia 8",
        postal_code="02-134",
        city="Warszawa",
        zone=zone,
        phone="+48220000000",
        partner=False,
    )


def _doctor(doctor: UUID) -> AddDoctor:
    return AddDoctor(doctor_id=doctor, name="lek. med. Anna Nowak", pwz="5425740", languages=("pl",))
