"""How does a patient's request for another time reach the decision?"""

from uuid import UUID

from fastapi import APIRouter, Response

from booking.appointment import Appointment, shown
from booking.camel import Asked
from booking.context import context_of
from booking.first_time import decided_on
from booking.look_up import look_up
from booking.move_appointment.decide import (
    MOVE_APPOINTMENT,
    AppointmentIsCancelled,
    MoveAppointment,
    ServiceDiffers,
)
from booking.ports import CurrentDecider, CurrentDeskPhone, CurrentFindSlot, CurrentSeen, CurrentStore
from booking.rules.calendar import Calendar
from booking.rules.free_time import PatientBusy, SlotTaken
from booking.rules.offer import SlotInPast, SlotUnknown
from booking.rules.own_appointment import AlreadyStarted, AppointmentUnknown, NotBookedHere
from booking.rules.own_holds import HoldExpired
from portal_chassis.access import CurrentPatient, NotSignedIn, PatientOnly
from portal_chassis.clock import CurrentTime
from portal_chassis.idempotency import (
    CurrentRequestKeys,
    IdempotencyKey,
    IdempotencyKeyMissing,
    IdempotencyKeyTooLong,
)
from portal_chassis.positions import HEADER, encode, of_outcome
from portal_chassis.problems import problems
from portal_events.booking import AppointmentBooked, AppointmentMoved, Source, Visit
from portal_eventstore.command import Outcome
from portal_eventstore.decision import IdempotencyKeyReused, StoreUnavailable

router = APIRouter()


class Body(Asked):
    """Which slot instead, and by which hold, where that matters."""

    slot_id: UUID
    hold_id: UUID | None = None


@router.post(
    "/appointments/{appointment_id}/move",
    responses=problems(
        NotSignedIn,
        PatientOnly,
        AppointmentUnknown,
        NotBookedHere,
        AppointmentIsCancelled,
        AlreadyStarted,
        SlotUnknown,
        HoldExpired,
        SlotInPast,
        ServiceDiffers,
        SlotTaken,
        PatientBusy,
        IdempotencyKeyMissing,
        IdempotencyKeyTooLong,
        IdempotencyKeyReused,
        StoreUnavailable,
    ),
)
async def move_appointment(  # noqa: PLR0913  what FastAPI injects
    *,
    appointment_id: UUID,
    body: Body,
    caller: CurrentPatient,
    idempotency_key: IdempotencyKey,
    request_keys: CurrentRequestKeys,
    decider: CurrentDecider,
    store: CurrentStore,
    find_slot: CurrentFindSlot,
    seen: CurrentSeen,
    desk_phone: CurrentDeskPhone,
    now: CurrentTime,
    response: Response,
) -> Appointment:
    """Move one of the caller's appointments to another slot of the same service."""
    command = MoveAppointment(
        appointment_id=appointment_id,
        patient_id=caller.patient_id,
        slot=await look_up(body.slot_id, find_slot, seen, caller.positions),
        now=now,
        desk_phone=desk_phone,
        hold_id=body.hold_id,
    )
    request = request_keys.request(
        actor=str(caller.account_id),
        route="POST /appointments/{id}/move",
        key=idempotency_key,
        body={"appointmentId": str(appointment_id), **body.model_dump(mode="json")},
    )
    outcome = await decider.execute(MOVE_APPOINTMENT, command, context_of(caller, now, request=request))
    _, decided_at = await decided_on(store, MOVE_APPOINTMENT, command, outcome, now)
    response.headers[HEADER] = encode(of_outcome("booking", outcome))
    return shown(appointment_id, _visit(command, outcome), source=Source.PORTAL, now=decided_at)


def _visit(command: MoveAppointment, outcome: Outcome[Calendar]) -> AppointmentBooked | Visit:
    for event in outcome.events:
        if isinstance(event, AppointmentMoved):
            return event.after
    visits = () if outcome.state is None else outcome.state.booked
    return next(visit for visit in visits if visit.appointment_id == command.appointment_id)
