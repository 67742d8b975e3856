"""How does a patient's request to cancel a visit reach the decision?"""

from uuid import UUID

from fastapi import APIRouter, Response

from booking.appointment import Appointment, shown
from booking.cancel_appointment.decide import CANCEL_APPOINTMENT, CancelAppointment
from booking.context import context_of
from booking.ports import CurrentDecider, CurrentDeskPhone
from booking.rules.calendar import Calendar, visit_of
from booking.rules.own_appointment import AlreadyStarted, AppointmentUnknown, NotBookedHere
from portal_chassis.access import CurrentPatient, NotSignedIn, PatientOnly
from portal_chassis.clock import CurrentTime
from portal_chassis.idempotency import CurrentRequestKeys, IdempotencyKeyTooLong, OptionalIdempotencyKey
from portal_chassis.positions import HEADER, encode, of_outcome
from portal_chassis.problems import problems
from portal_events.booking import AppointmentCancelled, Source, Visit
from portal_eventstore.command import Outcome
from portal_eventstore.decision import IdempotencyKeyReused, StoreUnavailable

router = APIRouter()


@router.post(
    "/appointments/{appointment_id}/cancellation",
    responses=problems(
        NotSignedIn,
        PatientOnly,
        AppointmentUnknown,
        NotBookedHere,
        AlreadyStarted,
        IdempotencyKeyTooLong,
        IdempotencyKeyReused,
        StoreUnavailable,
    ),
)
async def cancel_appointment(  # noqa: PLR0913  what FastAPI injects
    *,
    appointment_id: UUID,
    caller: CurrentPatient,
    idempotency_key: OptionalIdempotencyKey,
    request_keys: CurrentRequestKeys,
    decider: CurrentDecider,
    desk_phone: CurrentDeskPhone,
    now: CurrentTime,
    response: Response,
) -> Appointment:
    """Cancel one of the caller's appointments; again changes nothing."""
    command = CancelAppointment(
        appointment_id=appointment_id, patient_id=caller.patient_id, now=now, desk_phone=desk_phone
    )
    request = request_keys.request(
        actor=str(caller.account_id),
        route="POST /appointments/{id}/cancellation",
        key=idempotency_key,
        body={"appointmentId": str(appointment_id)},
    )
    outcome = await decider.execute(CANCEL_APPOINTMENT, command, context_of(caller, now, request=request))
    response.headers[HEADER] = encode(of_outcome("booking", outcome))
    return shown(appointment_id, _visit(outcome), source=Source.PORTAL, now=now, cancelled=True)


def _visit(outcome: Outcome[Calendar]) -> Visit:
    for event in outcome.events:
        if isinstance(event, AppointmentCancelled):
            return event.visit
    # The boundary is this one appointment.
    [visit] = [] if outcome.state is None else outcome.state.cancelled
    return visit_of(visit)
