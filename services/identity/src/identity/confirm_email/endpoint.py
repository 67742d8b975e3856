"""How is an address confirmed over HTTP, and the link sent again?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from identity.confirm_email.confirmation import Confirmations
from identity.limits import TooManyAttempts
from identity.links import Result
from identity.rules.email_holder import AccountExists
from identity.rules.link_expired import LinkExpired
from portal_chassis.access import CurrentCaller, NotSignedIn
from portal_chassis.clock import CurrentTime
from portal_chassis.positions import HEADER, encode
from portal_chassis.problems import problems
from portal_eventstore.decision import KeyUnavailable, StoreUnavailable

router = APIRouter()


class Confirmed(BaseModel):
    """What opening the link did."""

    result: Result


async def _confirmations(request: Request) -> Confirmations:
    confirmations: Confirmations = request.app.state.confirmations
    return confirmations


CurrentConfirmations = Annotated[Confirmations, Depends(_confirmations)]


@router.post(
    "/email-confirmations",
    status_code=202,
    responses=problems(NotSignedIn, TooManyAttempts, StoreUnavailable),
)
async def send_confirmation(
    caller: CurrentCaller, now: CurrentTime, confirmations: CurrentConfirmations
) -> Response:
    """Send the link to the caller's own address again."""
    await confirmations.send_again(caller.account_id, now=now)
    return Response(status_code=202)


@router.post(
    "/email-confirmations/{token}",
    responses=problems(LinkExpired, AccountExists, KeyUnavailable, StoreUnavailable),
)
async def confirm_email(
    token: str, response: Response, now: CurrentTime, confirmations: CurrentConfirmations
) -> Confirmed:
    """Use a link that was sent to an address."""
    opened = await confirmations.open(token, now=now)
    if opened.positions:
        response.headers[HEADER] = encode(opened.positions)
    return Confirmed(result=opened.result)
