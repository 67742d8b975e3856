"""How are credentials checked over HTTP? The session itself is the gateway's."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from identity.client_address import ClientAddress
from identity.limits import TooManyAttempts
from identity.passwords import Busy
from identity.sign_in.check import SignIn, SignInFailed
from portal_chassis.clock import CurrentTime
from portal_chassis.problems import Invalid, problems
from portal_events.identity import Level
from portal_eventstore.decision import StoreUnavailable

router = APIRouter()


class Body(BaseModel):
    """Credentials as typed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    email: str = Field(max_length=320)
    password: str = Field(max_length=1000)


class SignedInAccount(BaseModel):
    """Who signed in."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    account_id: UUID
    patient_id: UUID
    level: Level
    roles: tuple[str, ...]


async def _sign_in(request: Request) -> SignIn:
    sign_in: SignIn = request.app.state.sign_in
    return sign_in


@router.post("/sign-ins", responses=problems(Invalid, SignInFailed, TooManyAttempts, StoreUnavailable, Busy))
async def sign_in(
    body: Body, client: ClientAddress, now: CurrentTime, check: Annotated[SignIn, Depends(_sign_in)]
) -> SignedInAccount:
    """Check an address and a password."""
    who = await check.check(body.email, body.password, client=client, now=now)
    return SignedInAccount(
        account_id=who.account_id, patient_id=who.patient_id, level=who.level, roles=("patient",)
    )
