"""How does a person change the own account over HTTP?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from identity.change_profile.profile import Profile, Typed
from identity.limits import TooManyAttempts
from identity.my_accounts import MyAccount
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
    """What is to change; what is absent stays. Lengths here only bound the work."""

    model_config = ConfigDict(
        extra="forbid",
        alias_generator=to_camel,
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    given_name: str | None = Field(None, max_length=100)
    family_name: str | None = Field(None, max_length=100)
    phone: str | None = Field(None, max_length=40)
    language: str | None = Field(None, max_length=20)
    email: str | None = Field(None, max_length=320)
    current_password: Annotated[str, StringConstraints(strip_whitespace=False, max_length=1000)] | None = None

    def typed(self) -> Typed:
        """Return it for the handler."""
        return Typed(
            given_name=self.given_name,
            family_name=self.family_name,
            phone=self.phone,
            language=self.language,
            email=self.email,
            current_password=self.current_password,
        )


async def _profile(request: Request) -> Profile:
    profile: Profile = request.app.state.profile
    return profile


@router.patch(
    "/accounts/{account_id}",
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
async def change_profile(
    account_id: str,
    body: Body,
    caller: CurrentCaller,
    response: Response,
    now: CurrentTime,
    profile: Annotated[Profile, Depends(_profile)],
) -> MyAccount:
    """Change the caller's own account and return it. A new address takes effect by its links."""
    if account_id != str(caller.account_id):
        raise AccountUnknown
    positions = await profile.change(caller.account_id, body.typed(), now=now)
    if positions:
        response.headers[HEADER] = encode(positions)
    return await profile.my_accounts.read(caller.account_id, now=now)
