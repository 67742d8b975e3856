"""What does one client of a history do, one request after another, and what does it make of the answers?

A client acts for patients whom other clients act for as well. Whenever an outcome is not known it sends the
same request with the same key again until it is, as the contract of the API tells it to.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import aiohttp
import orjson
from aiohttp import hdrs

from portal_bench.people import Person
from portal_faults.history.history import Recorder
from portal_faults.history.operation import Kind, Operation, Outcome, Slot

PATIENCE_SECONDS: Final = 10.0
"""How long a client waits for one answer."""

READ: Final = "/api/appointments?limit=100&status=booked"
"""Where somebody's appointments are."""

_PAUSE_SECONDS: Final = 0.2
_PROBLEM: Final = "/problems/"
_REMEMBERED: Final = 20
_POSITION: Final = "Portal-Position"


@dataclass
class Patient:
    """What is known to the clients about somebody: what was acknowledged, and where the logs were then."""

    person: Person
    appointments: dict[str, str] = field(default_factory=dict)
    """Slots by appointment."""
    holds: dict[str, str] = field(default_factory=dict)
    """Slots by hold."""

    @property
    def id(self) -> str:
        """Return the patient's id as the operations have it."""
        return str(self.person.patient_id)


@dataclass(frozen=True, slots=True)
class Wish:
    """A request to be made: `told` is what the operation is recorded with."""

    patient: Patient
    kind: Kind
    told: Mapping[str, str]
    key: str | None


@dataclass
class Client:
    """Acts by chance, with a generator of its own."""

    number: int
    chance: random.Random
    patients: list[Patient]
    slots: list[Slot]
    http: aiohttp.ClientSession
    url: str
    recorder: Recorder
    limit: int
    """How many operations are recorded in all before the clients stop."""
    give_up_at: float
    """When a client no longer repeats what it does not know the outcome of."""
    positions: dict[str, str] = field(default_factory=dict)
    acknowledged: list[Wish] = field(default_factory=list)

    async def run(self) -> None:
        """Act until the history is long enough; what is open then is brought to its end."""
        while self.recorder.count < self.limit and time.monotonic() < self.give_up_at:
            wish = self._choose()
            while True:
                operation = await self._ask(wish)
                self.recorder.note(operation)
                if operation.outcome is not Outcome.UNKNOWN:
                    self._learn(wish, operation)
                    break
                if time.monotonic() > self.give_up_at:
                    break
                await asyncio.sleep(_PAUSE_SECONDS * (1 + self.chance.random()))

    def _choose(self) -> Wish:
        if self.acknowledged and self.chance.random() < _REPEATED:
            # Late: other clients may have undone since what this once did.
            return self.chance.choice(self.acknowledged)
        patient = self.chance.choice(self.patients)
        appointments, holds = list(patient.appointments), list(patient.holds)
        [kind] = self.chance.choices(list(_SHARES), list(_SHARES.values()))
        told: dict[str, str] = {}
        if kind in {Kind.CANCEL, Kind.MOVE} and appointments:
            # By any client that acts for the patient, at the same time as another one moves it.
            told["appointment"] = self.chance.choice(appointments)
        elif kind is Kind.RELEASE and holds:
            told["hold"] = self.chance.choice(holds)
        elif kind is not Kind.HOLD and kind is not Kind.READ:
            kind = Kind.BOOK
            if holds and self.chance.random() < _USED:
                told["hold"] = self.chance.choice(holds)
        if kind in {Kind.BOOK, Kind.MOVE, Kind.HOLD}:
            told["slot"] = patient.holds[told["hold"]] if "hold" in told else self._slot()
        return Wish(patient, kind, told, str(uuid4()) if kind in _KEYED else None)

    def _slot(self) -> str:
        # Half of all goes for a tenth of the slots.
        some = self.slots[: len(self.slots) // 10] if self.chance.random() < _HOT else self.slots
        return self.chance.choice(some).slot

    async def _ask(self, wish: Wish) -> Operation:
        trace = secrets.token_hex(16)
        method, path, body = _request(wish)
        headers = {
            hdrs.COOKIE: wish.patient.person.cookie,
            "X-Portal-CSRF": "1",
            "traceparent": f"00-{trace}-{secrets.token_hex(8)}-00",
        }
        if wish.key is not None:
            headers["Idempotency-Key"] = wish.key
        if wish.patient.id in self.positions:
            headers[_POSITION] = self.positions[wish.patient.id]
        if body is not None:
            headers[hdrs.CONTENT_TYPE] = "application/json"
        operation = Operation(
            id=trace,
            client=self.number,
            patient=wish.patient.id,
            kind=wish.kind,
            invoked_at=time.monotonic(),
            returned_at=0.0,
            outcome=Outcome.UNKNOWN,
            key=wish.key,
            slot=wish.told.get("slot"),
            appointment=wish.told.get("appointment"),
            hold=wish.told.get("hold"),
        )
        try:
            async with self.http.request(method, self.url + path, data=body, headers=headers) as answer:
                said = await answer.read()
                operation = _judged(operation, answer, said)
                if operation.outcome is Outcome.OK and _POSITION in answer.headers:
                    self.positions[wish.patient.id] = answer.headers[_POSITION]
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        return replace(operation, returned_at=time.monotonic())

    def _learn(self, wish: Wish, operation: Operation) -> None:
        patient, result = wish.patient, operation.result
        if operation.outcome is Outcome.REFUSED:
            if operation.kind is Kind.BOOK and operation.hold is not None:
                patient.holds.pop(operation.hold, None)
            if operation.code == "appointment-cancelled":
                patient.appointments.pop(operation.appointment or "", None)
            return
        if operation.kind in {Kind.BOOK, Kind.MOVE} and result and operation.slot:
            patient.appointments[result] = operation.slot
        elif operation.kind is Kind.CANCEL and self.chance.random() < _FORGOTTEN:
            patient.appointments.pop(operation.appointment or "", None)
        elif operation.kind is Kind.HOLD and result and operation.slot:
            patient.holds[result] = operation.slot
        if operation.kind in {Kind.RELEASE, Kind.BOOK}:
            patient.holds.pop(operation.hold or "", None)
        if wish.key is not None:
            self.acknowledged = [*self.acknowledged[-_REMEMBERED:], wish]


_SHARES: Final = {
    Kind.BOOK: 0.42,
    Kind.CANCEL: 0.21,
    Kind.MOVE: 0.16,
    Kind.HOLD: 0.12,
    Kind.RELEASE: 0.04,
    Kind.READ: 0.05,
}
"""How much of all each is, as long as there is something to cancel, to move and to give back."""

_REPEATED: Final = 0.05
_USED: Final = 0.2
_HOT: Final = 0.4
_FORGOTTEN: Final = 0.8
"""How often a client remembers that it cancelled: else it moves or cancels what is gone."""

_KEYED: Final = frozenset({Kind.BOOK, Kind.MOVE, Kind.CANCEL, Kind.HOLD})


def _request(wish: Wish) -> tuple[str, str, bytes | None]:
    told = wish.told
    body = {name: told[field] for field, name in (("slot", "slotId"), ("hold", "holdId")) if field in told}
    method, path = {
        Kind.BOOK: ("POST", "/api/appointments"),
        Kind.MOVE: ("POST", f"/api/appointments/{told.get('appointment')}/move"),
        Kind.CANCEL: ("POST", f"/api/appointments/{told.get('appointment')}/cancellation"),
        Kind.HOLD: ("POST", "/api/holds"),
        Kind.RELEASE: ("DELETE", f"/api/holds/{told.get('hold')}"),
        Kind.READ: ("GET", READ),
    }[wish.kind]
    return method, path, orjson.dumps(body) if "slot" in told else None


def _judged(operation: Operation, answer: aiohttp.ClientResponse, said: bytes) -> Operation:
    """Return the operation with its outcome, as far as the answer tells."""
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return replace(operation, code=str(answer.status))
    if "Portal-Stale" in answer.headers:
        return operation
    document: dict[str, Any] = orjson.loads(said) if said else {}
    if answer.status >= HTTPStatus.BAD_REQUEST:
        code = str(document["type"]).removeprefix(_PROBLEM)
        return replace(operation, outcome=Outcome.REFUSED, code=code)
    shown = tuple(item["appointmentId"] for item in document.get("items", ()))
    result = document.get("holdId" if operation.kind is Kind.HOLD else "appointmentId")
    return replace(operation, outcome=Outcome.OK, result=result, shown=shown)
