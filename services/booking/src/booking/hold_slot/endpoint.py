"""How does a patient's choice of a slot reach the decision, and what does the patient read then?"""

from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

from fastapi import APIRouter, Response
from uuid_utils.compat import uuid7

from booking.appointment import SameServiceBooked
from booking.at_level import at_own_level
from booking.camel import Asked, Camel
from booking.context import context_of
from booking.first_time import decided_on
from booking.hold_slot.decide import HOLD_SLOT, HoldLimit, HoldSlot
from booking.hold_slot.summary import SlotSummary, find_summary
from booking.look_up import look_up
from booking.ports import CurrentDecider, CurrentOwnLevel, CurrentSeen, CurrentStore, CurrentViews
from booking.rules.calendar import Calendar, own_visits, same_service
from booking.rules.free_time import PatientBusy, SlotTaken
from booking.rules.offer import SlotInPast, SlotUnknown
from booking.rules.own_holds import own_holds
from booking.rules.service_terms import ReferralRequired
from portal_chassis.access import CurrentPatient, NotSignedIn, PatientOnly
from portal_chassis.capabilities import LevelTooLow
from portal_chassis.clock import CurrentTime
from portal_chassis.idempotency import CurrentRequestKeys, IdempotencyKeyTooLong, OptionalIdempotencyKey
from portal_chassis.positions import HEADER, encode, of_outcome
from portal_chassis.problems import problems
from portal_events.booking import SlotHeld
from portal_events.identity import Level
from portal_eventstore.command import Outcome
from portal_eventstore.decision import IdempotencyKeyReused, StoreUnavailable

router = APIRouter()


class Body(Asked):
    """Which slot."""

    slot_id: UUID


class Held(Camel):
    """A slot that is kept until `expires_at` (UTC), and all that is to be known before booking it."""

    hold_id: UUID
    expires_at: datetime
    slot: SlotSummary
    warnings: list[SameServiceBooked]


@router.post(
    "/holds",
    status_code=201,
    responses=problems(
        NotSignedIn,
        PatientOnly,
        SlotUnknown,
        SlotInPast,
        LevelTooLow,
        ReferralRequired,
        SlotTaken,
        PatientBusy,
        HoldLimit,
        IdempotencyKeyTooLong,
        IdempotencyKeyReused,
        StoreUnavailable,
    ),
)
async def hold_slot(  # noqa: PLR0913  what FastAPI injects
    *,
    body: Body,
    caller: CurrentPatient,
    idempotency_key: OptionalIdempotencyKey,
    request_keys: CurrentRequestKeys,
    decider: CurrentDecider,
    store: CurrentStore,
    views: CurrentViews,
    seen: CurrentSeen,
    own_level: CurrentOwnLevel,
    now: CurrentTime,
    response: Response,
) -> Held:
    """Keep a slot for the caller for five minutes."""
    summary = await look_up(body.slot_id, partial(find_summary, views), seen, caller.positions)
    if summary is None:
        raise SlotUnknown
    command = HoldSlot(
        hold_id=uuid7(), patient_id=caller.patient_id, slot=summary.wanted(), level=Level.BASIC, now=now
    )
    request = request_keys.request(
        actor=str(caller.account_id),
        route="POST /holds",
        key=idempotency_key,
        body={"slotId": str(body.slot_id)},
    )
    context = context_of(caller, now, request=request)
    outcome = await at_own_level(
        lambda level: decider.execute(HOLD_SLOT, replace(command, level=level), context), own_level
    )
    calendar, decided_at = await decided_on(store, HOLD_SLOT, command, outcome, now)
    hold = _hold(command, outcome)
    visits = own_visits(calendar, caller.patient_id)
    response.headers[HEADER] = encode(of_outcome("booking", outcome))
    return Held(
        hold_id=hold.hold_id,
        expires_at=hold.expires_at,
        slot=summary,
        warnings=[
            SameServiceBooked(appointment_id=other)
            for other in same_service(visits, summary.service.id, decided_at)
        ],
    )


def _hold(command: HoldSlot, outcome: Outcome[Calendar]) -> SlotHeld:
    holds = [event for event in outcome.events if isinstance(event, SlotHeld)]
    if outcome.state is not None and not holds:
        holds = own_holds(outcome.state, command.patient_id, command.now)
    return next(hold for hold in holds if hold.slot_id == command.slot.slot_id)
