"""How does a patient's request to book a slot reach the decision?"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel
from uuid_utils.compat import uuid7

from booking.book_appointment.decide import (
    BOOK_APPOINTMENT,
    BookAppointment,
    BookingLimit,
    PatientBusy,
    SlotInPast,
    SlotTaken,
    SlotUnknown,
    State,
    held,
)
from booking.ports import (
    CurrentDataKeys,
    CurrentDecider,
    CurrentFindSlot,
    CurrentSeen,
    FindSlot,
    Place,
    Seen,
)
from portal_chassis.access import CurrentPatient, NotSignedIn, PatientOnly
from portal_chassis.clock import CurrentTime
from portal_chassis.idempotency import (
    CurrentRequestKeys,
    IdempotencyKey,
    IdempotencyKeyMissing,
    IdempotencyKeyTooLong,
)
from portal_chassis.positions import HEADER, Positions, encode, of_outcome
from portal_chassis.problems import problems
from portal_chassis.trace import current_trace
from portal_events.booking import AppointmentBooked, Mode
from portal_events.sensitive import Plain
from portal_eventstore.command import Context, Outcome
from portal_eventstore.decision import IdempotencyKeyReused, KeyUnavailable, StoreUnavailable

router = APIRouter()


class Body(BaseModel):
    """Which slot, and why, in the patient's own words."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )

    slot_id: UUID
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] | None = None


class Booked(BaseModel):
    """The appointment. `starts_at` is UTC; `zone` is the wall clock to show it on."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    appointment_id: UUID
    slot_id: UUID
    service_id: UUID
    doctor_id: UUID
    facility_id: UUID
    mode: Mode
    starts_at: datetime
    zone: str
    minutes: int
    status: Literal["booked"]
    warnings: list[str]


@router.post(
    "/appointments",
    status_code=201,
    responses=problems(
        NotSignedIn,
        PatientOnly,
        SlotUnknown,
        SlotTaken,
        PatientBusy,
        BookingLimit,
        SlotInPast,
        IdempotencyKeyMissing,
        IdempotencyKeyTooLong,
        IdempotencyKeyReused,
        KeyUnavailable,
        StoreUnavailable,
    ),
)
async def book_appointment(  # noqa: PLR0913  what FastAPI injects
    *,
    body: Body,
    caller: CurrentPatient,
    idempotency_key: IdempotencyKey,
    request_keys: CurrentRequestKeys,
    decider: CurrentDecider,
    find_slot: CurrentFindSlot,
    seen: CurrentSeen,
    data_keys: CurrentDataKeys,
    now: CurrentTime,
    response: Response,
) -> Booked:
    """Book a slot for the caller."""
    place = await _look_up(body.slot_id, find_slot, seen, caller.positions)
    trace = current_trace()
    command = BookAppointment(
        appointment_id=uuid7(),
        patient_id=caller.patient_id,
        slot_id=body.slot_id,
        doctor_id=place.doctor_id,
        starts_at=place.starts_at,
        minutes=place.minutes,
        now=now,
        reason=Plain(body.reason) if body.reason else None,
    )
    context = Context(
        time=now,
        actor=str(caller.account_id),
        correlation_id=trace.correlation_id,
        request=request_keys.request(
            actor=str(caller.account_id),
            route="POST /appointments",
            key=idempotency_key,
            body={"slotId": str(body.slot_id), "reason": body.reason},
        ),
        key=await data_keys.key_for(caller.patient_id) if command.reason else None,
        traceparent=trace.traceparent,
    )
    outcome = await decider.execute(BOOK_APPOINTMENT, command, context)
    response.headers[HEADER] = encode(of_outcome("booking", outcome))
    return _answer(_visit(command, outcome))


async def _look_up(slot_id: UUID, find_slot: FindSlot, seen: Seen, positions: Positions) -> Place:
    # What is found needs no waiting, however old the view: the decision rests on the facts, not on it.
    place = await find_slot(slot_id)
    if place is None:
        await seen("free_slots", positions)
        place = await find_slot(slot_id)
    if place is None:
        raise SlotUnknown
    return place


def _visit(command: BookAppointment, outcome: Outcome[State]) -> AppointmentBooked:
    visits = [event for event in outcome.events if isinstance(event, AppointmentBooked)]
    if outcome.state is not None and not visits:
        visit = held(outcome.state, slot_id=command.slot_id, patient_id=command.patient_id)
        visits = [] if visit is None else [visit]
    return visits[0]


def _answer(visit: AppointmentBooked) -> Booked:
    return Booked(
        appointment_id=visit.appointment_id,
        slot_id=visit.slot_id,
        service_id=visit.service_id,
        doctor_id=visit.doctor_id,
        facility_id=visit.facility_id,
        mode=visit.mode,
        starts_at=visit.starts_at,
        zone=visit.zone,
        minutes=visit.minutes,
        status="booked",
        warnings=[],
    )
