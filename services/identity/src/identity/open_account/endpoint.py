"""How is an account opened over HTTP?"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints
from pydantic.alias_generators import to_camel

from identity.client_address import ClientAddress
from identity.limits import Limits, TooManyAttempts
from identity.open_account.registration import Registration
from identity.passwords import Busy
from identity.rules.email_holder import AccountExists
from identity.rules.form import Form
from portal_chassis.clock import CurrentTime
from portal_chassis.idempotency import IdempotencyKey, IdempotencyKeyMissing, IdempotencyKeyTooLong
from portal_chassis.positions import HEADER, encode
from portal_chassis.problems import Invalid, problems
from portal_events.identity import Level, Sex
from portal_eventstore.decision import IdempotencyKeyReused, StoreUnavailable

router = APIRouter()

_CLOSED = ConfigDict(
    extra="forbid",
    alias_generator=to_camel,
    frozen=True,
    hide_input_in_errors=True,
    str_strip_whitespace=True,
)


class Consents(BaseModel):
    """What the person agrees to; both are needed."""

    model_config = _CLOSED

    regulations: StrictBool = False
    privacy: StrictBool = False


class Body(BaseModel):
    """The form: PESEL, or birth date, sex and passport number. Lengths here only bound the work."""

    model_config = _CLOSED

    email: str = Field(max_length=320)
    # Spaces at a password's ends are part of it.
    password: Annotated[str, StringConstraints(strip_whitespace=False, max_length=1000)]
    given_name: str = Field(max_length=100)
    family_name: str = Field(max_length=100)
    pesel: str | None = Field(None, max_length=20)
    birth_date: str | None = Field(None, max_length=20)
    sex: Sex | None = None
    passport: str | None = Field(None, max_length=40)
    phone: str = Field(max_length=40)
    language: str = Field(max_length=20)
    consents: Consents = Consents()

    def form(self) -> Form:
        """Return it for the rules."""
        return Form(
            email=self.email,
            password=self.password,
            given_name=self.given_name,
            family_name=self.family_name,
            pesel=self.pesel,
            birth_date=self.birth_date,
            sex=self.sex,
            passport=self.passport,
            phone=self.phone,
            language=self.language,
            regulations=self.consents.regulations,
            privacy=self.consents.privacy,
        )


class Account(BaseModel):
    """An account that was opened."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    account_id: UUID
    patient_id: UUID
    level: Level


async def _registration(request: Request) -> Registration:
    registration: Registration = request.app.state.registration
    return registration


async def _limits(request: Request) -> Limits:
    limits: Limits = request.app.state.limits
    return limits


@router.post(
    "/accounts",
    status_code=201,
    responses=problems(
        Invalid,
        IdempotencyKeyMissing,
        IdempotencyKeyTooLong,
        IdempotencyKeyReused,
        AccountExists,
        TooManyAttempts,
        StoreUnavailable,
        Busy,
    ),
)
async def open_account(
    body: Body,
    key: IdempotencyKey,
    now: CurrentTime,
    response: Response,
    client: ClientAddress,
    limits: Annotated[Limits, Depends(_limits)],
    registration: Annotated[Registration, Depends(_registration)],
) -> Account:
    """Open a patient's account."""
    await limits.sign_up(client, now)
    typed = body.model_dump(mode="json")
    opened = await registration.open(body.form(), now=now, idempotency_key=key, body=typed)
    response.headers[HEADER] = encode(opened.positions)
    return Account(account_id=opened.account_id, patient_id=opened.patient_id, level=Level.BASIC)
