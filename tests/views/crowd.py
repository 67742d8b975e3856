"""What has happened in a small portal? A network, its days, and patients in each other's way."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from portal_bench.network import Network
from portal_events import keys
from portal_events.base import Event
from portal_events.booking import (
    AppointmentBooked,
    AppointmentMoved,
    DoctorDayOpened,
    SlotHeld,
    Source,
    Visit,
)
from portal_events.cloudevents import to_record
from portal_events.stored import Metadata, StoredEvent
from portal_events.testing import booked, cancelled, confirmed, held, moved, released, signed_up, taken_by
from portal_events.topics import PARTITIONS, PATIENT_KEYS, partition_for
from portal_eventstore.kafka import Incoming, Partition

_TIME: Final = datetime(2026, 11, 23, 9, tzinfo=UTC)
_DATES: Final = [date(2026, 12, 1), date(2026, 12, 2)]
_PATIENTS: Final = 40
_STEPS: Final = 600
_MOST_STANDING: Final = 80
_DATA_KEY: Final = bytes(32)


def happened(chance: random.Random) -> dict[Partition, list[Incoming]]:
    """Return what all topics hold, in the order of their offsets."""
    patients = [UUID(int=chance.getrandbits(128)) for _ in range(_PATIENTS)]
    topics = defaultdict[Partition, list[Incoming]](list)
    network = Network(6, 1)
    for events in (
        itertools.chain(network.members(), _days(network), _visits(network, patients, chance)),
        _accounts(patients, chance),
    ):
        for stored in _stored(events, chance):
            record = to_record(stored)
            _add(topics, record.topic, record.key, record.value, record.headers)
    for patient_id in [*patients, *chance.sample(patients, 20)]:
        key, value = keys.to_record(keys.WrappedKey(patient_id, 1, chance.randbytes(60)))
        _add(topics, PATIENT_KEYS, key, value if chance.random() > 0.2 else None, [])
    return dict(topics)


def _days(network: Network) -> Iterator[DoctorDayOpened]:
    """Yield days of which some overlap: a doctor offers the same hours at two addresses."""
    elsewhere = UUID(int=1)  # nobody says where that is
    for day in network.days(_DATES):
        yield DoctorDayOpened.model_validate(day.model_dump())
        slots = [
            {**slot.model_dump(), "slot_id": UUID(int=slot.slot_id.int + 50), "facility_id": elsewhere}
            for slot in day.slots[::3]
        ]
        yield DoctorDayOpened.model_validate({**day.model_dump(), "slots": slots})


def _visits(network: Network, patients: list[UUID], chance: random.Random) -> Iterator[Event]:
    offers = [_visit(day, n) for day in _days(network) for n in range(len(day.slots))]
    standing: list[AppointmentBooked | AppointmentMoved] = []
    holds: list[SlotHeld] = []

    def free() -> Visit:
        taken = {(each.doctor_id, each.starts_at) for each in map(taken_by, standing)}
        return chance.choice([o for o in offers if (o.doctor_id, o.starts_at) not in taken])

    for _ in range(_STEPS):
        patient_id, at = chance.choice(patients), free()
        hold = holds.pop(chance.randrange(len(holds))) if holds and chance.random() < 0.5 else None
        match chance.choice(("hold", "release", "book", "book", "book", "move", "cancel")):
            case "hold":
                until = _TIME + timedelta(minutes=5)
                holds.append(held(at, patient_id, hold_id=_id(chance), expires_at=until))
                yield holds[-1]
            case "release" if hold:
                yield released(hold)
            case "book" if len(standing) < _MOST_STANDING:
                who, hold_id = (hold.patient_id, hold.hold_id) if hold else (patient_id, None)
                standing.append(booked(at, who, appointment_id=_id(chance), hold_id=hold_id))
                yield standing[-1]
            case "move" if standing:
                number = chance.randrange(len(standing))
                standing[number] = moved(standing[number], at)
                yield standing[number]
            case "cancel" if standing:
                yield cancelled(standing.pop(chance.randrange(len(standing))), source=Source.DESK)


def _accounts(patients: list[UUID], chance: random.Random) -> Iterator[Event]:
    for patient_id in patients:
        account = signed_up(patient_id, account_id=patient_id)
        yield account.sealed(event_id=patient_id, key=_DATA_KEY)
        if chance.random() < 0.5:
            yield confirmed(patient_id, account_id=patient_id)


def _visit(day: DoctorDayOpened, number: int) -> Visit:
    return Visit(doctor_id=day.doctor_id, zone=day.zone, **day.slots[number].model_dump())


def _id(chance: random.Random) -> UUID:
    return UUID(int=chance.getrandbits(128))


def _stored(events: Iterable[Event], chance: random.Random) -> Iterator[StoredEvent]:
    for position, event in enumerate(events, 1):
        yield StoredEvent(
            event.OWNER,
            position,
            _id(chance),
            type(event).__name__,
            event.VERSION,
            tuple(sorted(event.tags())),
            event.model_dump_json(by_alias=True),
            _TIME,
            Metadata(event.subject, "system:test", UUID(int=position), UUID(int=position), 1),
        )


def _add(
    topics: dict[Partition, list[Incoming]],
    topic: str,
    key: bytes,
    value: bytes | None,
    headers: list[tuple[str, bytes]],
) -> None:
    partition = partition_for(key, PARTITIONS)
    lane = topics[topic, partition]
    lane.append(Incoming(topic, partition, len(lane), key, value, headers))
