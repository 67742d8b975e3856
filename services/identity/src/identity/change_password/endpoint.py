"""How does a signed-in person set another password over HTTP?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from identity.change_password.change import PasswordChanging
from identity.limits import TooManyAttempts
from identity.own_password import PasswordWrong
from identity.passwords import Busy
from identity.rules.account_unknown import AccountUnknown
from portal_chassis.access import CurrentCaller, NotSignedIn
from portal_chassis.clock import CurrentTime
from portal_chassis.positions import HEADER, encode
from portal_chassis.problems import Invalid, problems
from portal_eventstore.decision import KeyUnavailable, StoreUnavailable

router = APIRouter()


class Body(BaseModel):
    """The present password, and the one to come."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, alias_generator=to_camel
    )

    current_password: str = Field(max_length=1000)
    new_password: str = Field(max_length=1000)


async def _changing(request: Request) -> PasswordChanging:
    changing: PasswordChanging = request.app.state.password_changing
    return changing


@router.post(
    "/accounts/{account_id}/password",
    status_code=204,
    responses=problems(
        Invalid,
        NotSignedIn,
        AccountUnknown,
        PasswordWrong,
        TooManyAttempts,
        KeyUnavailable,
        StoreUnavailable,
        Busy,
    ),
)
async def change_password(
    account_id: str,
    body: Body,
    caller: CurrentCaller,
    now: CurrentTime,
    changing: Annotated[PasswordChanging, Depends(_changing)],
) -> Response:
    """Change the caller's own password."""
    if account_id != str(caller.account_id):
        raise AccountUnknown
    positions = await changing.change(
        caller.account_id, current=body.current_password, new=body.new_password, now=now
    )
    return Response(status_code=204, headers={HEADER: encode(positions)} if positions else None)
