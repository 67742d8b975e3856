"""How does a person get a session, see who they are, and leave?

Identity knows accounts and passwords, and refuses; the gateway passes the body on unread and keeps sessions.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from gateway.edge.cookie import SessionCookie
from gateway.edge.csrf import CrossSite
from gateway.edge.open_sessions import OpenSessions
from gateway.edge.signed_in import CurrentSession, caller_of
from gateway.unavailable import ServiceUnavailable
from gateway.upstream import Answer, Ask, ServiceFailed, Upstream
from portal_chassis.access import NotSignedIn
from portal_chassis.capabilities import capabilities_of, unlock_ways_of
from portal_chassis.clock import CurrentTime
from portal_chassis.positions import HEADER, Positions, encode
from portal_chassis.problems import problems
from portal_chassis.requests import BodyTooLarge
from portal_events.identity import Level

router = APIRouter()

M = TypeVar("M", bound=BaseModel)


class _FromIdentity(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, hide_input_in_errors=True)


class SignedIn(_FromIdentity):
    """Identity's word that somebody is who they say."""

    account_id: UUID
    patient_id: UUID | None = None
    level: Level
    # Of a new account identity says no roles: who signs up is a patient.
    roles: tuple[str, ...] = ("patient",)


class Account(_FromIdentity):
    """An account as its owner sees it."""

    account_id: UUID
    patient_id: UUID | None = None
    email: str
    given_name: str
    family_name: str
    language: str
    level: Level


def _identity(request: Request) -> Upstream:
    upstreams: dict[str, Upstream] = request.app.state.upstreams
    return upstreams["identity"]


Identity = Annotated[Upstream, Depends(_identity)]


def _sessions(request: Request) -> OpenSessions:
    sessions: OpenSessions = request.app.state.sessions
    return sessions


Sessions = Annotated[OpenSessions, Depends(_sessions)]


def _cookie(request: Request) -> SessionCookie:
    cookie: SessionCookie = request.app.state.session_cookie
    return cookie


Cookie = Annotated[SessionCookie, Depends(_cookie)]

_SIGNING_IN = problems(CrossSite, BodyTooLarge, ServiceUnavailable, ServiceFailed)
_SIGNED_IN = problems(NotSignedIn, ServiceUnavailable, ServiceFailed)


@router.post("/api/accounts", status_code=201, responses=_SIGNING_IN)
async def create_account(
    request: Request, identity: Identity, sessions: Sessions, cookie: Cookie, now: CurrentTime
) -> Response:
    """Create an account and sign in at once."""
    answer = await identity.ask(await _passed_on(request, "/accounts", now))
    return await _signed_in(request, answer, sessions, cookie)


@router.post("/api/sessions", status_code=201, responses=_SIGNING_IN | problems(NotSignedIn))
async def sign_in(
    request: Request, identity: Identity, sessions: Sessions, cookie: Cookie, now: CurrentTime
) -> Response:
    """Sign in with e-mail and password."""
    answer = await identity.ask(await _passed_on(request, "/sign-ins", now))
    return await _signed_in(request, answer, sessions, cookie)


@router.delete(
    "/api/sessions/current",
    status_code=204,
    responses=problems(CrossSite, NotSignedIn, ServiceUnavailable),
)
async def sign_out(session: CurrentSession, sessions: Sessions, cookie: Cookie) -> Response:
    """End this session: its row is gone before the answer, or the answer is not 204."""
    await sessions.end(session)
    response = Response(status_code=204)
    cookie.clear(response)
    return response


@router.get("/api/me", responses=_SIGNED_IN)
async def me(request: Request, session: CurrentSession, identity: Identity, now: CurrentTime) -> Response:
    """Say who is signed in, at which level, what that level may do and how to unlock the rest."""
    ask = Ask("GET", f"/accounts/{session.account_id}", caller_of(session, request), now)
    answer = await identity.ask(ask)
    if answer.status != HTTPStatus.OK:
        return answer.response()
    account = _read(Account, answer)
    body = {
        **account.model_dump(by_alias=True),
        "roles": session.roles,
        "capabilities": capabilities_of(account.level),
        "unlockWays": unlock_ways_of(account.level),
    }
    return _json(body, answer.positions)


async def _passed_on(request: Request, path: str, now: datetime) -> Ask:
    return Ask("POST", path, None, now, headers=request.headers, body=await request.body())


async def _signed_in(
    request: Request, answer: Answer, sessions: OpenSessions, cookie: SessionCookie
) -> Response:
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return answer.response()
    who = _read(SignedIn, answer)
    token = await sessions.open(
        account_id=who.account_id, patient_id=who.patient_id, roles=who.roles, replaces=cookie.read(request)
    )
    response = _json({"accountId": who.account_id, "level": who.level}, answer.positions, status=201)
    cookie.write(response, token)
    return response


def _read(model: type[M], answer: Answer) -> M:
    try:
        return model.model_validate_json(answer.body)
    except ValidationError:
        # Not `from` it: what identity said is personal.
        raise ServiceFailed from None


def _json(body: Any, positions: Positions, status: int = 200) -> Response:
    headers = {HEADER: encode(positions)} if positions else None
    return Response(orjson.dumps(body), status, headers, "application/json")
