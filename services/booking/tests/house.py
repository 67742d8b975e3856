"""What do tests of booking's endpoints and views stand on?"""

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import httpx
from uuid_utils.compat import uuid7

from booking.add_doctor.decide import ADD_DOCTOR, AddDoctor
from booking.add_facility.decide import ADD_FACILITY, AddFacility
from booking.add_service.decide import ADD_SERVICE, AddService
from booking.app import build_app
from booking.book_appointment.decide import BOOK_APPOINTMENT, BookAppointment
from booking.hold_slot.decide import HOLD_SLOT, HoldSlot
from booking.open_doctor_day.decide import OPEN_DOCTOR_DAY, OpenDoctorDay, Session, slot_id
from booking.rules.wall_clock import Hours
from booking.worker import PROJECTIONS
from portal_chassis.access import Caller, TokenSigner, TokenVerifier
from portal_chassis.idempotency import RequestKeys
from portal_chassis.positions import Positions
from portal_chassis.testing import with_own_state
from portal_events.base import Event
from portal_events.booking import Mode, ServiceKind, Source
from portal_events.identity import Level
from portal_events.stored import StoredEvent
from portal_events.testing import ANNA
from portal_events.topics import PARTITIONS, PATIENT_KEYS, events_topic, partition_for
from portal_eventstore.command import Context
from portal_eventstore.decision import KeyUnavailable
from portal_eventstore.editions import create_tables
from portal_eventstore.execute import Decider
from portal_eventstore.keys.key_ring import keys_view
from portal_eventstore.store import EventStore
from portal_eventstore.testing.kafka_log import migrate
from portal_eventstore.view import Received, view_of

E = TypeVar("E", bound=Event)

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = date(2026, 11, 2)
DENTIST, INTERNIST, CARDIOLOGIST = UUID(int=11), UUID(int=12), UUID(int=13)
OCHOTA, MOKOTOW, KRAKOW = UUID(int=21), UUID(int=22), UUID(int=23)
NOWAK, LIS = UUID(int=31), UUID(int=32)
ROOMS = {
    OCHOTA: ("Zdrovia Ochota", "ul. 1 Sierpnia 8", "02-134", "Warszawa"),
    MOKOTOW: ("Zdrovia Mokotów", "ul. Domaniewska 41B", "02-672", "Warszawa"),
    KRAKOW: ("Zdrovia Kazimierz", "ul. Dietla 60", "31-039", "Kraków"),
}
PHONE = "+48221234567"
DENTISTS_VISIT = AddService(
    service_id=DENTIST,
    name="Stomatolog",
    name_en="Dentist",
    kind=ServiceKind.DENTISTRY,
    modes=(Mode.IN_PERSON,),
    levels=(Level.BASIC, Level.FULL),
    referral_required=False,
    price=20000,
    covered=False,
    preparation="Umyj zęby",
    preparation_en="Brush your teeth",
)
INTERNISTS_VISIT = AddService(
    service_id=INTERNIST,
    name="Internista",
    name_en="Internist",
    kind=ServiceKind.CONSULTATION,
    modes=(Mode.IN_PERSON, Mode.VIDEO),
    levels=(Level.BASIC, Level.FULL),
    referral_required=False,
    price=20000,
    covered=True,
    preparation="",
    preparation_en="",
)
SIX = datetime(2026, 11, 2, 17, tzinfo=UTC)  # 18:00 in Warsaw
CONTEXT = Context(time=NOW, actor="system:test", correlation_id=UUID(int=99))


async def make_tables(database_url: str) -> None:
    """Create the store's tables and booking's views."""
    await migrate(database_url)
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        await create_tables(pool, [*map(view_of, PROJECTIONS), keys_view(PATIENT_KEYS)])


async def open_network(decider: Decider) -> None:
    """Let Nowak offer 18:00 to 20:00 at two addresses, and Lis 18:00 to 19:00 in two ways in Kraków."""
    for service in (DENTISTS_VISIT, INTERNISTS_VISIT):
        await decider.execute(ADD_SERVICE, service, CONTEXT)
    for facility, (name, street, postal_code, city) in ROOMS.items():
        place = AddFacility(
            facility_id=facility,
            name=name,
            street=street,
            postal_code=postal_code,
            city=city,
            zone="Europe/Warsaw",
            phone=PHONE,
            partner=False,
        )
        await decider.execute(ADD_FACILITY, place, CONTEXT)
    for doctor, name, pwz, languages in (
        (NOWAK, "lek. med. Anna Nowak", "5425740", ("pl", "en")),
        (LIS, "lek. dent. Ewa Lis", "4063352", ("pl", "uk")),
    ):
        person = AddDoctor(doctor_id=doctor, name=name, pwz=pwz, languages=languages)
        await decider.execute(ADD_DOCTOR, person, CONTEXT)
    nowak = tuple(session(facility, Hours(time(18), time(20))) for facility in (OCHOTA, MOKOTOW))
    lis = (
        session(KRAKOW, Hours(time(18), time(19))),
        session(KRAKOW, Hours(time(18), time(19)), service=INTERNIST, mode=Mode.VIDEO),
    )
    for doctor, sessions in ((NOWAK, nowak), (LIS, lis)):
        day = OpenDoctorDay(doctor_id=doctor, day=DAY, sessions=sessions)
        await decider.execute(OPEN_DOCTOR_DAY, day, CONTEXT)


def session(facility: UUID, hours: Hours, *, service: UUID = DENTIST, mode: Mode = Mode.IN_PERSON) -> Session:
    """Describe hours of half-hour visits."""
    return Session(facility_id=facility, service_id=service, mode=mode, hours=hours, minutes=30)


def slot_of(starts_at: datetime = SIX, *, facility: UUID = OCHOTA, doctor: UUID = NOWAK) -> UUID:
    """Return the id of a dentist's slot."""
    return slot_id(doctor, facility, DENTIST, starts_at)


async def offer(house: "House", **terms: Any) -> UUID:
    """Let Lis offer, on these terms, a service that nobody else offers; return its one slot."""
    command = replace(INTERNISTS_VISIT, service_id=CARDIOLOGIST, modes=(Mode.IN_PERSON,), **terms)
    await house.decider.execute(ADD_SERVICE, command, CONTEXT)
    hours = session(KRAKOW, Hours(time(20), time(20, 30)), service=CARDIOLOGIST)
    day = OpenDoctorDay(doctor_id=LIS, day=DAY, sessions=(hours,))
    await house.decider.execute(OPEN_DOCTOR_DAY, day, CONTEXT)
    return slot_id(LIS, KRAKOW, CARDIOLOGIST, SIX + timedelta(hours=2))


async def offers(house: "House", number: int) -> list[UUID]:
    """Let Lis offer a dentist's slots, one after another, on the next day from eight in the morning."""
    morning = Hours(time(8), time(8 + number // 2, 30 * (number % 2)))
    day = OpenDoctorDay(doctor_id=LIS, day=DAY + timedelta(days=1), sessions=(session(KRAKOW, morning),))
    await house.decider.execute(OPEN_DOCTOR_DAY, day, CONTEXT)
    eight = SIX + timedelta(hours=14)
    return [slot_of(eight + n * timedelta(minutes=30), facility=KRAKOW, doctor=LIS) for n in range(number)]


async def held(house: "House", slot: UUID, patient: UUID = ANNA) -> UUID:
    """Hold a slot by the decision itself: the endpoint's answer needs the catalogue's views."""
    found = await house.state.find_slot(slot)
    command = HoldSlot(
        hold_id=uuid7(), patient_id=patient, slot=found, level=Level.BASIC, now=house.clock[-1]
    )
    await house.decider.execute(HOLD_SLOT, command, replace(CONTEXT, time=command.now))
    return command.hold_id


async def booked_by_the_desk(house: "House", slot: UUID, patient: UUID = ANNA) -> UUID:
    """Let a desk book a slot for a patient, which is not done over HTTP."""
    command = BookAppointment(
        appointment_id=uuid7(),
        patient_id=patient,
        slot=await house.state.find_slot(slot),
        level=Level.BASIC,
        now=house.clock[-1],
        source=Source.DESK,
    )
    await house.decider.execute(BOOK_APPOINTMENT, command, replace(CONTEXT, actor="system:desk"))
    return command.appointment_id


class Keys:
    """Data keys in memory; `arrived` says whose are here."""

    def __init__(self) -> None:
        self.arrived: dict[UUID, bytes] = {}

    async def key_for(self, patient_id: UUID) -> bytes:
        if patient_id not in self.arrived:
            raise KeyUnavailable
        return self.arrived[patient_id]


@dataclass
class Gate:
    """Signs what the gateway would sign."""

    folder: Path
    signer: TokenSigner
    verifier: TokenVerifier
    request_keys: RequestKeys

    def headers(
        self, patient: UUID | None, positions: Positions | None = None, now: datetime = NOW
    ) -> dict[str, str]:
        """Return the token of a patient's account, or of staff."""
        caller = Caller(patient or UUID(int=77), patient, (), positions or {})
        return {"Authorization": f"Bearer {self.signer.sign(caller, audience='booking', now=now)}"}


@dataclass
class House:
    """Booking's app over a store, and the hands that feed it."""

    client: httpx.AsyncClient
    state: Any
    store: EventStore
    decider: Decider
    keys: Keys
    gate: Gate
    clock: list[datetime] = field(default_factory=lambda: [NOW])
    levels: dict[UUID, Level] = field(default_factory=dict)
    phones: dict[UUID, str] = field(default_factory=dict)
    waited: list[tuple[str, Positions]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def headers(self, patient: UUID | None) -> dict[str, str]:
        """Return a token that is good at the house's own time."""
        return self.gate.headers(patient, now=self.clock[-1])

    async def events(self, cls: type[E]) -> list[E]:
        """Return the events of a class, oldest first."""
        stored = [event.decode() for event in await self.store.tail(0, 1000)]
        return [event for event in stored if isinstance(event, cls)]

    async def book(
        self, body: object, *, patient: UUID | None = ANNA, key: str | None = None
    ) -> httpx.Response:
        """Book with a fresh Idempotency-Key, unless one is given."""
        headers = {**self.headers(patient), "Idempotency-Key": key or f"key-{next(self.numbers)}"}
        headers["Content-Type"] = "application/json"
        # Written by json, which can say what no UTF-8 text can: "\\ud800".
        return await self.client.post("/appointments", content=json.dumps(body), headers=headers)

    async def hold(self, slot: UUID, *, patient: UUID = ANNA, key: str | None = None) -> httpx.Response:
        """Choose a slot."""
        return await self._post("/holds", {"slotId": str(slot)}, patient, key)

    async def release(self, hold_id: object, *, patient: UUID = ANNA) -> httpx.Response:
        """Give a slot back."""
        return await self.client.delete(f"/holds/{hold_id}", headers=self.headers(patient))

    async def cancel(
        self, appointment_id: object, *, patient: UUID = ANNA, key: str | None = None
    ) -> httpx.Response:
        """Cancel an appointment."""
        return await self._post(f"/appointments/{appointment_id}/cancellation", None, patient, key)

    async def move(
        self, appointment_id: object, body: object, *, patient: UUID = ANNA, key: str | None = None
    ) -> httpx.Response:
        """Move an appointment with a fresh Idempotency-Key, unless one is given."""
        key = key or f"key-{next(self.numbers)}"
        return await self._post(f"/appointments/{appointment_id}/move", body, patient, key)

    async def _post(self, path: str, body: object, patient: UUID, key: str | None) -> httpx.Response:
        headers = self.headers(patient) | ({} if key is None else {"Idempotency-Key": key})
        return await self.client.post(path, json=body, headers=headers)

    async def get(self, path: str, **query: str) -> httpx.Response:
        """Read as Anna."""
        return await self.client.get(path, params=query, headers=self.headers(ANNA))


@asynccontextmanager
async def opened_house(gate: Gate, store: EventStore) -> AsyncIterator[House]:
    """Run the app over a store; slots are looked up, and views read, as the caller arranges."""
    clock = [NOW]
    app = with_own_state(build_app)
    app.state.clock = lambda: clock[-1]
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://booking") as client:
        house = House(client, app.state, store, Decider(store), Keys(), gate, clock)

        async def seen(view: str, positions: Positions) -> dict[str, str]:
            house.waited.append((view, positions))
            return {}

        async def level_of(patient: UUID) -> Level:
            return house.levels.get(patient, Level.BASIC)

        async def find_desk_phone(_: UUID, appointment: UUID) -> str | None:
            return house.phones.get(appointment)

        app.state.token_verifier = gate.verifier
        app.state.request_keys = gate.request_keys
        app.state.decider = house.decider
        app.state.store = store
        app.state.level_of = level_of
        app.state.find_desk_phone = find_desk_phone
        app.state.data_keys = house.keys
        app.state.seen = seen
        yield house
        await house.decider.close()


async def project(views: Any, batch: list[StoredEvent]) -> None:
    """Apply events to every view, as the projector would: only what each handles, in one transaction."""
    for projection in PROJECTIONS:
        received = [
            record for record in map(received_from, batch) if isinstance(record.event, projection.events)
        ]
        async with views.acquire() as connection, connection.transaction():
            await projection.apply(connection, received)


def received_from(stored: StoredEvent) -> Received:
    """Return the event as it arrives on its partition."""
    partition = partition_for(str(stored.metadata.subject).encode(), PARTITIONS)
    return Received(events_topic("booking"), partition, stored.position, stored, stored.decode())
