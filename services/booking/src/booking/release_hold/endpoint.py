"""How does a patient give a held slot back?"""

from uuid import UUID

from fastapi import APIRouter, Response

from booking.context import context_of
from booking.ports import CurrentDecider
from booking.release_hold.decide import RELEASE_HOLD, HoldUnknown, ReleaseHold
from portal_chassis.access import CurrentPatient, NotSignedIn, PatientOnly
from portal_chassis.clock import CurrentTime
from portal_chassis.positions import HEADER, encode, of_outcome
from portal_chassis.problems import Invalid, problems
from portal_eventstore.decision import StoreUnavailable

router = APIRouter()


@router.delete(
    "/holds/{hold_id}",
    status_code=204,
    responses=problems(NotSignedIn, PatientOnly, HoldUnknown, Invalid, StoreUnavailable),
)
async def release_hold(
    hold_id: UUID, caller: CurrentPatient, decider: CurrentDecider, now: CurrentTime
) -> Response:
    """Give back what is kept for the caller; again, or after it has lapsed, changes nothing."""
    command = ReleaseHold(hold_id=hold_id, patient_id=caller.patient_id, now=now)
    outcome = await decider.execute(RELEASE_HOLD, command, context_of(caller, now))
    return Response(status_code=204, headers={HEADER: encode(of_outcome("booking", outcome))})
