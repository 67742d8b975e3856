"""What does booking's topic hold in the benchmarks of views? Bookings, moves and cancellations of many."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from portal_bench.network import ZONE
from portal_events.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMoved,
    BookingEvent,
    Mode,
    Source,
    Visit,
)
from portal_events.cloudevents import to_record
from portal_events.stored import Metadata, StoredEvent
from portal_events.topics import PARTITIONS, events_topic, partition_for
from portal_eventstore.kafka import Incoming, Outgoing, Publisher

TOPIC: Final = events_topic("booking")
EVENTS_EACH: Final = 20
"""A patient's events, on average."""

_BOOKED: Final = 0.77
_MOVED: Final = 0.9
"""Of the events that make up the rest, between these two are moves, and above are cancellations."""

_RECENT: Final = 10_000
_DOCTORS: Final = 400
_DAYS: Final = 90
_QUARTERS: Final = 32
_BATCH: Final = 20_000
_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Standing:
    appointment_id: UUID
    patient_id: UUID
    visit: Visit


def happened(count: int) -> Iterator[StoredEvent]:
    """Yield `count` events, always the same, at positions from 1 on."""
    chance = random.Random(1)
    patients = [_id(chance) for _ in range(max(1, count // EVENTS_EACH))]
    doctors = [_id(chance) for _ in range(_DOCTORS)]
    recent: list[_Standing] = []
    for position in range(1, count + 1):
        roll = chance.random()
        if roll < _BOOKED or not recent:
            one = _Standing(_id(chance), chance.choice(patients), _visit(chance, doctors))
            event: BookingEvent = _booked(one)
            if len(recent) < _RECENT:
                recent.append(one)
            else:
                recent[chance.randrange(_RECENT)] = one
        elif roll < _MOVED:
            one, after = chance.choice(recent), _visit(chance, doctors)
            event = AppointmentMoved.model_construct(
                appointment_id=one.appointment_id,
                patient_id=one.patient_id,
                before=one.visit,
                after=after,
                source=Source.PORTAL,
            )
            one.visit = after
        else:
            number = chance.randrange(len(recent))
            one = recent[number]
            recent[number] = recent[-1]
            recent.pop()
            event = AppointmentCancelled.model_construct(
                appointment_id=one.appointment_id,
                patient_id=one.patient_id,
                visit=one.visit,
                source=Source.PORTAL,
            )
        yield _stored(event, position, _id(chance))


def incoming(events: Iterable[StoredEvent]) -> Iterator[Incoming]:
    """Yield the records that a consumer would get of `events`, each partition's offsets from 0 on."""
    offsets = [0] * PARTITIONS
    for event in events:
        record = to_record(event)
        partition = partition_for(record.key, PARTITIONS)
        yield Incoming(TOPIC, partition, offsets[partition], record.key, record.value, record.headers)
        offsets[partition] += 1


async def publish(servers: str, events: Iterable[StoredEvent]) -> None:
    """Put events on booking's topic, as the relay would."""
    publisher = await Publisher.connect(servers)
    lanes: dict[int, list[Outgoing]] = {n: [] for n in range(PARTITIONS)}
    waiting = 0

    async def send() -> None:
        for partition, lane in lanes.items():
            while lane:
                del lane[: await publisher.publish(TOPIC, partition, lane)]

    try:
        for event in events:
            record = to_record(event)
            lanes[partition_for(record.key, PARTITIONS)].append(
                Outgoing(record.key, record.value, record.headers)
            )
            waiting += 1
            if waiting == _BATCH:
                await send()
                waiting = 0
        await send()
    finally:
        await publisher.close()


def _id(chance: random.Random) -> UUID:
    return UUID(int=chance.getrandbits(128))


def _visit(chance: random.Random, doctors: list[UUID]) -> Visit:
    doctor = chance.randrange(_DOCTORS)
    return Visit.model_construct(
        slot_id=_id(chance),
        doctor_id=doctors[doctor],
        service_id=UUID(int=doctor % 40),
        facility_id=UUID(int=doctor % 270),
        mode=chance.choice((Mode.IN_PERSON, Mode.IN_PERSON, Mode.IN_PERSON, Mode.TELEPHONE, Mode.VIDEO)),
        starts_at=_TIME + timedelta(days=chance.randrange(_DAYS), minutes=15 * chance.randrange(_QUARTERS)),
        minutes=15,
        zone=ZONE,
    )


def _booked(one: _Standing) -> AppointmentBooked:
    return AppointmentBooked.model_construct(
        appointment_id=one.appointment_id,
        patient_id=one.patient_id,
        source=Source.PORTAL,
        **dict(one.visit),
    )


def _stored(event: BookingEvent, position: int, id_: UUID) -> StoredEvent:
    metadata = Metadata(event.subject, f"account:{event.subject}", id_, id_, 1, request_hash="0" * 64)
    return StoredEvent(
        event.OWNER,
        position,
        id_,
        type(event).__name__,
        event.VERSION,
        (*sorted(event.tags()), f"request:{id_.hex}{id_.hex}"),
        event.model_dump_json(by_alias=True),
        _TIME + timedelta(milliseconds=position),
        metadata,
    )
