"""How does the demo network come into an empty portal?

Through the same decisions and handlers that people's requests reach, in process: no row is inserted here.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from booking.add_doctor.decide import ADD_DOCTOR
from booking.add_facility.decide import ADD_FACILITY
from booking.add_service.decide import ADD_SERVICE
from booking.book_appointment.decide import BOOK_APPOINTMENT, BookAppointment
from booking.open_doctor_day.decide import OPEN_DOCTOR_DAY, slot_id
from booking.rules.wall_clock import slot_starts
from identity.accounts import Accounts
from identity.app import connected, handlers
from identity.open_account.registration import Registration
from identity.rules.form import Form
from identity.settings import IdentitySettings
from portal_demo.network import (
    DOCTORS,
    ZONE,
    demo_id,
    doctor_days,
    doctors,
    facilities,
    services,
    working_days,
)
from portal_demo.passwords import Passwords
from portal_demo.people import PATIENTS, Patient, Visit
from portal_eventstore.command import Context
from portal_eventstore.decision import Criterion
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.store import Query

ACTOR: Final = "system:demo"
_WARSAW: Final = ZoneInfo(ZONE)


async def is_empty(database_urls: Mapping[str, str]) -> bool:
    """Say whether nothing is there yet, or only a demo network that was not finished."""
    async with _booking(database_urls) as store:
        first = await store.tail(0, 1)
        if not first:
            return True
        last = _appointments()[-1]
        [found] = await store.read([Query((Criterion(f"appointment:{last}"),))])
    return first[0].metadata.actor == ACTOR and not found


async def seed(*, now: datetime, database_urls: Mapping[str, str], secrets: Path) -> dict[str, Any]:
    """Write the network, its schedule from `now` and its patients; return who can sign in.

    Again, at whatever time: adds what is missing of the first seed, and nothing else.
    """
    passwords = Passwords(secrets)
    async with _booking(database_urls) as store:
        first = await store.tail(0, 1)
        began = first[0].time if first else now
        decider = Decider(store)
        await _open_network(decider, began)
        patient_ids = await _open_accounts(began, passwords, database_urls["identity"], secrets)
        for patient, patient_id in zip(PATIENTS, patient_ids, strict=True):
            for number, visit in enumerate(patient.visits):
                command = _book(patient_id, visit, _appointment(patient, number), began)
                await decider.execute(BOOK_APPOINTMENT, command, _context(began))
        await decider.close()
    return {
        "patients": [
            {
                "email": patient.email,
                "password": passwords.of(patient.email),
                "pesel": patient.pesel,
                "level": "basic",
                "note": patient.note,
            }
            for patient in PATIENTS
        ],
        "staff": [],
        "banks": [],
    }


@asynccontextmanager
async def _booking(database_urls: Mapping[str, str]) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.connect(database_urls["booking"], "booking")
    try:
        yield store
    finally:
        await store.close()


async def _open_network(decider: Decider, began: datetime) -> None:
    context = _context(began)
    await asyncio.gather(
        *(decider.execute(ADD_SERVICE, service, context) for service in services()),
        *(decider.execute(ADD_FACILITY, facility, context) for facility in facilities()),
        *(decider.execute(ADD_DOCTOR, doctor, context) for doctor in doctors()),
    )
    days = doctor_days(began.astimezone(_WARSAW).date())
    await asyncio.gather(*(decider.execute(OPEN_DOCTOR_DAY, day, context) for day in days))


async def _open_accounts(
    began: datetime, passwords: Passwords, database_url: str, secrets: Path
) -> list[UUID]:
    """Open the patients' accounts, as far as they are not there; return the patients' ids."""
    settings = IdentitySettings(
        database_url=database_url,
        kafka_bootstrap_servers="",  # nothing is published from here
        http_port=0,
        key_encryption_key_file=secrets / "key-encryption-key",
        uniqueness_key_file=secrets / "uniqueness-key",
        request_key_file=secrets / "request-key-identity",
        gateway_public_key_file=secrets / "gateway-public-key.pem",
    )
    async with connected(settings) as parts:
        accounts = Accounts(parts.store, parts.blind_index)
        registration = handlers(parts).registration
        return list(
            await asyncio.gather(*(_account(p, began, passwords, accounts, registration) for p in PATIENTS))
        )


async def _account(
    patient: Patient, began: datetime, passwords: Passwords, accounts: Accounts, registration: Registration
) -> UUID:
    account = await accounts.of_address(patient.email)
    if account is not None:
        return account.patient_id
    form = Form(
        email=patient.email,
        password=passwords.of(patient.email),
        given_name=patient.given_name,
        family_name=patient.family_name,
        pesel=patient.pesel,
        birth_date=None,
        sex=None,
        passport=None,
        phone=patient.phone,
        language=patient.language,
        regulations=True,
        privacy=True,
    )
    opened = await registration.open(form, now=began, idempotency_key="demo", body={"demo": patient.email})
    return opened.patient_id


def _book(patient_id: UUID, visit: Visit, appointment_id: UUID, began: datetime) -> BookAppointment:
    shift = next(doctor for doctor in DOCTORS if doctor.key == visit.doctor).shifts[visit.shift]
    day = working_days(began.astimezone(_WARSAW).date())[visit.day]
    starts_at = slot_starts(day, _WARSAW, shift.hours, shift.minutes, shift.breaks)[visit.slot]
    doctor_id = demo_id(f"doctor/{visit.doctor}")
    return BookAppointment(
        appointment_id=appointment_id,
        patient_id=patient_id,
        slot_id=slot_id(
            doctor_id,
            demo_id(f"facility/{shift.facility}"),
            demo_id(f"service/{shift.service}"),
            starts_at,
        ),
        doctor_id=doctor_id,
        starts_at=starts_at,
        minutes=shift.minutes,
        now=began,
    )


def _appointments() -> list[UUID]:
    return [_appointment(patient, n) for patient in PATIENTS for n in range(len(patient.visits))]


def _appointment(patient: Patient, number: int) -> UUID:
    return demo_id(f"appointment/{patient.email}/{number}")


def _context(began: datetime) -> Context:
    return Context(time=began, actor=ACTOR, correlation_id=demo_id("seed"))
