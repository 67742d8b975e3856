"""How does a person see and change the own account, and get back in without the password?

A password that was changed or reset ends sessions, and the answer says so only when their rows are gone.
"""

from datetime import date
from http import HTTPStatus
from typing import Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.edge.csrf import CrossSite
from gateway.edge.open_sessions import Person
from gateway.edge.session import Session, told_user_agent
from gateway.edge.signed_in import Cookie, CurrentSession, Sessions, caller_of
from gateway.identity import FromIdentity, Identity, answered, passed_on, told, understood
from gateway.unavailable import ServiceUnavailable
from gateway.upstream import Answer, Ask, ServiceFailed
from portal_chassis.access import NotSignedIn
from portal_chassis.capabilities import capabilities_of, unlock_ways_of
from portal_chassis.clock import CurrentTime
from portal_chassis.problems import problems
from portal_chassis.requests import BodyTooLarge
from portal_events.identity import Level, Sex

router = APIRouter()

_READ: Final = (NotSignedIn, ServiceUnavailable, ServiceFailed)
_WRITTEN: Final = (CrossSite, BodyTooLarge, ServiceUnavailable, ServiceFailed)
_IDENTITY: Final = "identity.events"


class Account(FromIdentity):
    """An account as its owner sees it. `new_email`: an address that is not confirmed from both sides yet."""

    account_id: UUID
    patient_id: UUID
    email: str
    email_confirmed: bool
    new_email: str | None
    given_name: str
    family_name: str
    birth_date: date
    sex: Sex
    phone: str
    language: str
    level: Level


class Me(Account):
    """The account with what its session and its level allow, by capability."""

    roles: tuple[str, ...]
    capabilities: dict[str, bool]
    unlock_ways: tuple[str, ...]


class PasswordReset(FromIdentity):
    """Identity's word whose password is another one now."""

    account_id: UUID


@router.get(
    "/api/me",
    response_model=Me,
    responses=problems(*_READ),
    openapi_extra={"x-asks": "identity GET /accounts/{account_id}"},
)
async def me(request: Request, session: CurrentSession, identity: Identity, now: CurrentTime) -> Response:
    """Say who is signed in, at which level, what that level may do and how to unlock the rest."""
    ask = Ask("GET", f"/accounts/{session.account_id}", caller_of(session, request), now)
    return _shown(await identity.ask(ask), session)


@router.patch(
    "/api/me",
    response_model=Me,
    responses=problems(NotSignedIn, *_WRITTEN),
    openapi_extra={"x-asks": "identity PATCH /accounts/{account_id}"},
)
async def change_me(
    request: Request, session: CurrentSession, identity: Identity, now: CurrentTime
) -> Response:
    """Change name, telephone, language or address, and say what the account is then."""
    ask = await passed_on(request, "PATCH", f"/accounts/{session.account_id}", now, session)
    return _shown(await identity.ask(ask), session)


@router.post(
    "/api/me/password",
    status_code=204,
    responses=problems(NotSignedIn, *_WRITTEN),
    openapi_extra={"x-asks": "identity POST /accounts/{account_id}/password"},
)
async def change_password(
    request: Request,
    session: CurrentSession,
    identity: Identity,
    sessions: Sessions,
    cookie: Cookie,
    now: CurrentTime,
) -> Response:
    """Change the password: every other session ends, and this browser goes on under a new cookie."""
    ask = await passed_on(request, "POST", f"/accounts/{session.account_id}/password", now, session)
    answer = await identity.ask(ask)
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return answer.response()
    user_agent = told_user_agent(request.headers.get("user-agent"))
    token = await sessions.replace_all(
        Person(session.account_id, session.patient_id, session.roles, user_agent),
        password_position=_position(answer),
    )
    response = Response(status_code=204, headers=told(answer.positions))
    cookie.write(response, token)
    return response


@router.post(
    "/api/password-resets/{token}",
    status_code=204,
    responses=problems(*_WRITTEN),
    openapi_extra={"x-asks": "identity POST /password-resets/{token}"},
)
async def reset_password(
    token: str, request: Request, identity: Identity, sessions: Sessions, now: CurrentTime
) -> Response:
    """Set another password with a link's token: every session of the account ends."""
    ask = await passed_on(request, "POST", f"/password-resets/{quote(token, safe='')}", now)
    answer = await identity.ask(ask)
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return answer.response()
    await sessions.end_all(understood(PasswordReset, answer).account_id)
    return Response(status_code=204, headers=told(answer.positions))


def _shown(answer: Answer, session: Session) -> Response:
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return answer.response()
    account = understood(Account, answer)
    body = {
        **account.model_dump(by_alias=True),
        "roles": session.roles,
        "capabilities": capabilities_of(account.level),
        "unlockWays": unlock_ways_of(account.level),
    }
    return answered(body, answer.positions)


def _position(answer: Answer) -> int:
    """Return where in identity's log the change is; 0 where it was not said, and the clock alone decides."""
    return max((p for (topic, _), p in answer.positions.items() if topic == _IDENTITY), default=0)
