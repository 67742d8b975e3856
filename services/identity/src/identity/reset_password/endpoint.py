"""How is a lost password replaced over HTTP?"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from identity.client_address import ClientAddress
from identity.limits import TooManyAttempts
from identity.passwords import Busy
from identity.reset_password.reset import PasswordReset
from identity.rules.link_expired import LinkExpired
from portal_chassis.clock import CurrentTime
from portal_chassis.positions import HEADER, encode
from portal_chassis.problems import Invalid, problems
from portal_eventstore.decision import KeyUnavailable, StoreUnavailable

router = APIRouter()

_CLOSED = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Body(BaseModel):
    """The address to send a link to."""

    model_config = _CLOSED

    email: str = Field(max_length=320)


class NewPassword(BaseModel):
    """The password to come."""

    model_config = _CLOSED

    password: str = Field(max_length=1000)


class ResetAccount(BaseModel):
    """Whose password it was."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    account_id: UUID


async def _reset(request: Request) -> PasswordReset:
    reset: PasswordReset = request.app.state.password_reset
    return reset


CurrentReset = Annotated[PasswordReset, Depends(_reset)]


@router.post(
    "/password-resets", status_code=202, responses=problems(Invalid, TooManyAttempts, StoreUnavailable)
)
async def request_reset(body: Body, client: ClientAddress, now: CurrentTime, reset: CurrentReset) -> Response:
    """Send a link, if anybody has this address. The answer is always the same."""
    await reset.request(body.email, client=client, now=now)
    return Response(status_code=202)


@router.post(
    "/password-resets/{token}",
    responses=problems(Invalid, LinkExpired, KeyUnavailable, StoreUnavailable, Busy),
)
async def reset_password(
    token: str,
    body: NewPassword,
    response: Response,
    client: ClientAddress,
    now: CurrentTime,
    reset: CurrentReset,
) -> ResetAccount:
    """Set a new password by a link."""
    account_id, positions = await reset.use(token, body.password, client=client, now=now)
    if positions:
        response.headers[HEADER] = encode(positions)
    return ResetAccount(account_id=account_id)
