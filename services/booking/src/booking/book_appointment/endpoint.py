"""How does a patient's request to book a slot reach the decision?"""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError
from uuid_utils.compat import uuid7

from booking.appointment import Appointment, SameServiceBooked, shown
from booking.at_level import at_own_level
from booking.book_appointment.decide import BOOK_APPOINTMENT, BookAppointment, visit_in
from booking.camel import Asked
from booking.context import context_of
from booking.first_time import decided_on
from booking.look_up import look_up
from booking.ports import (
    CurrentDataKeys,
    CurrentDecider,
    CurrentFindSlot,
    CurrentOwnLevel,
    CurrentSeen,
    CurrentStore,
)
from booking.rules.booking_limit import BookingLimit
from booking.rules.calendar import Calendar, own_visits, same_service
from booking.rules.free_time import PatientBusy, SlotTaken
from booking.rules.offer import SlotInPast, SlotUnknown
from booking.rules.own_holds import HoldExpired
from booking.rules.service_terms import ModeNotOffered, ReferralRequired
from portal_chassis.access import CurrentPatient, NotSignedIn, PatientOnly
from portal_chassis.capabilities import LevelTooLow
from portal_chassis.clock import CurrentTime
from portal_chassis.idempotency import (
    CurrentRequestKeys,
    IdempotencyKey,
    IdempotencyKeyMissing,
    IdempotencyKeyTooLong,
)
from portal_chassis.positions import HEADER, encode, of_outcome
from portal_chassis.problems import problems
from portal_events.booking import AppointmentBooked, Mode
from portal_events.identity import Level
from portal_events.sensitive import Plain
from portal_eventstore.command import Outcome
from portal_eventstore.decision import IdempotencyKeyReused, KeyUnavailable, StoreUnavailable

router = APIRouter()


def _without_nul(text: str) -> str:
    # PostgreSQL, C and many a screen end a text there: better a clear no than words that get lost later.
    if "\0" in text:
        raise PydanticCustomError("nul-character", "The text must not hold the character U+0000")
    return text


Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=1000), AfterValidator(_without_nul)
]


class Body(Asked):
    """Which slot, by which hold and in which way, where that matters; and why, in the patient's own words."""

    slot_id: UUID
    hold_id: UUID | None = None
    mode: Mode | None = None
    reason: Reason | None = None


class Booked(Appointment):
    """The appointment, and what the patient may want to think of."""

    warnings: list[SameServiceBooked]


@router.post(
    "/appointments",
    status_code=201,
    responses=problems(
        NotSignedIn,
        PatientOnly,
        SlotUnknown,
        HoldExpired,
        SlotInPast,
        ModeNotOffered,
        LevelTooLow,
        ReferralRequired,
        SlotTaken,
        PatientBusy,
        BookingLimit,
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
    store: CurrentStore,
    find_slot: CurrentFindSlot,
    seen: CurrentSeen,
    own_level: CurrentOwnLevel,
    data_keys: CurrentDataKeys,
    now: CurrentTime,
    response: Response,
) -> Booked:
    """Book a slot for the caller."""
    slot = await look_up(body.slot_id, find_slot, seen, caller.positions)
    if slot is None:
        raise SlotUnknown
    command = BookAppointment(
        appointment_id=uuid7(),
        patient_id=caller.patient_id,
        slot=slot,
        level=Level.BASIC,
        now=now,
        hold_id=body.hold_id,
        mode=body.mode,
        reason=Plain(body.reason) if body.reason else None,
    )
    request = request_keys.request(
        actor=str(caller.account_id),
        route="POST /appointments",
        key=idempotency_key,
        body=body.model_dump(mode="json"),
    )
    key = await data_keys.key_for(caller.patient_id) if command.reason else None
    context = context_of(caller, now, request=request, key=key)
    outcome = await at_own_level(
        lambda level: decider.execute(BOOK_APPOINTMENT, replace(command, level=level), context), own_level
    )
    calendar, decided_at = await decided_on(store, BOOK_APPOINTMENT, command, outcome, now)
    visit = _visit(command, outcome)
    visits = own_visits(calendar, caller.patient_id)
    response.headers[HEADER] = encode(of_outcome("booking", outcome))
    return Booked(
        **dict(shown(visit.appointment_id, visit, source=visit.source, now=decided_at)),
        warnings=[
            SameServiceBooked(appointment_id=other)
            for other in same_service(visits, visit.service_id, decided_at, besides=visit.appointment_id)
        ],
    )


def _visit(command: BookAppointment, outcome: Outcome[Calendar]) -> AppointmentBooked:
    visits = [event for event in outcome.events if isinstance(event, AppointmentBooked)]
    if outcome.state is not None and not visits:
        visit = visit_in(outcome.state, patient_id=command.patient_id, slot_id=command.slot.slot_id)
        visits = [] if visit is None else [visit]
    return visits[0]
