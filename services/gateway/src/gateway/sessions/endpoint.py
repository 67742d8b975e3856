"""How does a person get a session, see and end those there are, and leave?"""

from datetime import datetime
from http import HTTPStatus
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.edge.cookie import SessionCookie
from gateway.edge.csrf import CrossSite
from gateway.edge.open_sessions import OpenSessions, Person
from gateway.edge.session import told_user_agent
from gateway.edge.signed_in import Cookie, CurrentSession, Sessions
from gateway.identity import FromIdentity, Identity, answered, passed_on, understood
from gateway.unavailable import ServiceUnavailable
from gateway.upstream import Answer, Ask, ServiceFailed
from portal_chassis.access import NotSignedIn
from portal_chassis.clock import CurrentTime
from portal_chassis.problems import problems
from portal_chassis.requests import BodyTooLarge
from portal_events.identity import Level
from portal_eventstore.decision import NotFound

router = APIRouter()

_SIGNING_IN: Final = problems(CrossSite, BodyTooLarge, ServiceUnavailable, ServiceFailed)


class SessionUnknown(NotFound):
    """Not there, over, or somebody else's."""

    code = "session-unknown"
    title = "There is no such session"


class SignedIn(FromIdentity):
    """Identity's word that somebody is who they say."""

    account_id: UUID
    patient_id: UUID | None = None
    level: Level
    # Of a new account identity says no roles: who signs up is a patient.
    roles: tuple[str, ...] = ("patient",)


class Opened(FromIdentity):
    """Whose session was opened, in the cookie that comes with this answer."""

    account_id: UUID
    level: Level


class SessionItem(FromIdentity):
    """One place where the account is signed in; `current` is the one that asks."""

    id: UUID
    created_at: datetime
    seen_at: datetime
    user_agent: str
    current: bool


class SessionPage(FromIdentity):
    """All of them."""

    items: list[SessionItem]
    next: None


@router.post(
    "/api/accounts",
    status_code=201,
    response_model=Opened,
    responses=_SIGNING_IN,
    openapi_extra={"x-asks": "identity POST /accounts"},
)
async def create_account(
    request: Request, identity: Identity, sessions: Sessions, cookie: Cookie, now: CurrentTime
) -> Response:
    """Create an account and sign in at once."""
    ask = await passed_on(request, "POST", "/accounts", now)
    return await _signed_in(request, ask, await identity.ask(ask), sessions, cookie)


@router.post(
    "/api/sessions",
    status_code=201,
    response_model=Opened,
    responses=_SIGNING_IN,
    openapi_extra={"x-asks": "identity POST /sign-ins"},
)
async def sign_in(
    request: Request, identity: Identity, sessions: Sessions, cookie: Cookie, now: CurrentTime
) -> Response:
    """Sign in with e-mail and password."""
    ask = await passed_on(request, "POST", "/sign-ins", now)
    return await _signed_in(request, ask, await identity.ask(ask), sessions, cookie)


@router.get("/api/sessions", response_model=SessionPage, responses=problems(NotSignedIn, ServiceUnavailable))
async def list_sessions(session: CurrentSession, sessions: Sessions) -> Response:
    """List where the account is signed in, the newest first."""
    items = [
        {
            # As text: the driver's own kind of UUID is none that JSON knows.
            "id": str(one.id),
            "createdAt": one.created_at,
            "seenAt": one.seen_at,
            "userAgent": one.user_agent,
            "current": one.id == session.id,
        }
        for one in await sessions.of_account(session.account_id)
    ]
    return answered({"items": items, "next": None}, {})


@router.delete(
    "/api/sessions/current",
    status_code=204,
    responses=problems(CrossSite, NotSignedIn, BodyTooLarge, ServiceUnavailable),
)
async def sign_out(session: CurrentSession, sessions: Sessions, cookie: Cookie) -> Response:
    """End this session: its row is gone before the answer, or the answer is not 204."""
    await sessions.end(session)
    return _left(cookie)


@router.delete(
    "/api/sessions/{session_id:uuid}",
    status_code=204,
    responses=problems(CrossSite, NotSignedIn, SessionUnknown, BodyTooLarge, ServiceUnavailable),
)
async def end_session(
    session_id: UUID, session: CurrentSession, sessions: Sessions, cookie: Cookie
) -> Response:
    """End one of the account's sessions: its row is gone before the answer, or the answer is not 204."""
    if not await sessions.end_own(session_id, session.account_id):
        raise SessionUnknown
    return _left(cookie) if session_id == session.id else Response(status_code=204)


async def _signed_in(
    request: Request, ask: Ask, answer: Answer, sessions: OpenSessions, cookie: SessionCookie
) -> Response:
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return answer.response()
    who = understood(SignedIn, answer)
    user_agent = told_user_agent(request.headers.get("user-agent"))
    token = await sessions.open(
        Person(who.account_id, who.patient_id, who.roles, user_agent),
        began=ask.now,
        replaces=cookie.read(request),
    )
    response = answered({"accountId": who.account_id, "level": who.level}, answer.positions, status=201)
    cookie.write(response, token)
    return response


def _left(cookie: SessionCookie) -> Response:
    response = Response(status_code=204)
    cookie.clear(response)
    return response
