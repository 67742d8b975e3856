"""Who decides beside booking's own process, as a second one would?

One process never competes with itself: what it decides at a time it decides in turn. Whether conditions hold
between processes only a rival shows. It books and cancels by booking's own decisions, for the same patients.
"""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from booking.book_appointment.decide import BOOK_APPOINTMENT, BookAppointment, visit_in
from booking.cancel_appointment.decide import CANCEL_APPOINTMENT, CancelAppointment
from booking.rules.wanted_slot import WantedSlot
from portal_events.booking import AppointmentBooked
from portal_events.identity import Level
from portal_eventstore.command import Context, Request
from portal_eventstore.decision import Refusal, Unavailable
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_faults.history.client import Patient
from portal_faults.history.history import Recorder
from portal_faults.history.operation import Kind, Operation, Outcome, Slot

_PAUSE_SECONDS: Final = 0.1
_BOOKS: Final = 0.6


@asynccontextmanager
async def second_process(booking_url: str) -> AsyncIterator[Decider]:
    """Decide on booking's store beside booking."""
    store = await PostgresStore.connect(booking_url, "booking")
    decider = Decider(store)
    try:
        yield decider
    finally:
        await decider.close()
        await store.close()


@dataclass
class Rival:
    """Books and cancels by chance until the history is long enough."""

    number: int
    chance: random.Random
    patients: list[Patient]
    slots: list[Slot]
    decider: Decider
    recorder: Recorder
    limit: int
    give_up_at: float

    async def run(self) -> None:
        """Act until the history is long enough; what is not known is asked again with the same key."""
        while self.recorder.count < self.limit and time.monotonic() < self.give_up_at:
            patient = self.chance.choice(self.patients)
            appointments = list(patient.appointments)
            key = secrets.token_hex(16)
            if appointments and self.chance.random() > _BOOKS:
                chosen = self.chance.choice(appointments)
                await self._insist(lambda: self._cancel(patient, chosen, key))  # noqa: B023  awaited here
            else:
                slot = self.chance.choice(self.slots)
                await self._insist(lambda: self._book(patient, slot, key))  # noqa: B023  awaited here
            await asyncio.sleep(_PAUSE_SECONDS * self.chance.random())

    async def _insist(self, ask: Callable[[], Awaitable[Operation]]) -> None:
        while time.monotonic() < self.give_up_at:
            operation = await ask()
            self.recorder.note(operation)
            if operation.outcome is not Outcome.UNKNOWN:
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _book(self, patient: Patient, slot: Slot, key: str) -> Operation:
        asked = self._asked(Kind.BOOK, patient, key, slot=slot.slot)
        command = BookAppointment(
            appointment_id=uuid7(),
            patient_id=patient.person.patient_id,
            slot=WantedSlot(
                slot_id=UUID(slot.slot),
                doctor_id=UUID(slot.doctor),
                service_id=UUID(slot.service),
                starts_at=datetime.fromtimestamp(slot.starts_at, UTC),
                minutes=round((slot.ends_at - slot.starts_at) / 60),
            ),
            level=Level.BASIC,
            now=datetime.now(UTC),
        )

        async def book() -> str:
            outcome = await self.decider.execute(BOOK_APPOINTMENT, command, self._context(asked))
            visits = [event for event in outcome.events if isinstance(event, AppointmentBooked)]
            if outcome.state is not None and not visits:
                had = visit_in(outcome.state, patient_id=command.patient_id, slot_id=command.slot.slot_id)
                visits = [] if had is None else [had]
            patient.appointments[str(visits[0].appointment_id)] = slot.slot
            return str(visits[0].appointment_id)

        return await _answered(asked, book)

    async def _cancel(self, patient: Patient, appointment: str, key: str) -> Operation:
        asked = self._asked(Kind.CANCEL, patient, key, appointment=appointment)
        command = CancelAppointment(
            appointment_id=UUID(appointment),
            patient_id=patient.person.patient_id,
            now=datetime.now(UTC),
            desk_phone=None,
        )

        async def cancel() -> str:
            await self.decider.execute(CANCEL_APPOINTMENT, command, self._context(asked))
            patient.appointments.pop(appointment, None)
            return appointment

        return await _answered(asked, cancel)

    def _asked(
        self,
        kind: Kind,
        patient: Patient,
        key: str,
        *,
        slot: str | None = None,
        appointment: str | None = None,
    ) -> Operation:
        return Operation(
            id=secrets.token_hex(16),
            client=self.number,
            patient=patient.id,
            kind=kind,
            invoked_at=time.monotonic(),
            returned_at=0.0,
            outcome=Outcome.UNKNOWN,
            slot=slot,
            appointment=appointment,
            key=key,
        )

    def _context(self, asked: Operation) -> Context:
        return Context(
            time=datetime.now(UTC),
            actor="system:histories",
            correlation_id=UUID(asked.id),
            request=Request(tag=f"request:rival:{asked.key}", body_hash=""),
        )


async def _answered(asked: Operation, act: Callable[[], Awaitable[str]]) -> Operation:
    told = asked
    try:
        told = replace(asked, outcome=Outcome.OK, result=await act())
    except Unavailable:
        pass
    except Refusal as refusal:
        told = replace(asked, outcome=Outcome.REFUSED, code=refusal.code)
    return replace(told, returned_at=time.monotonic())
