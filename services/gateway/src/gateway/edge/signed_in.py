"""Who sends this request?"""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from gateway.edge.cookie import SessionCookie
from gateway.edge.open_sessions import OpenSessions
from gateway.edge.session import Session
from portal_chassis.access import Caller, NotSignedIn
from portal_chassis.positions import HEADER, decode


async def _sessions(request: Request) -> OpenSessions:
    sessions: OpenSessions = request.app.state.sessions
    return sessions


async def _cookie(request: Request) -> SessionCookie:
    cookie: SessionCookie = request.app.state.session_cookie
    return cookie


Sessions = Annotated[OpenSessions, Depends(_sessions)]
Cookie = Annotated[SessionCookie, Depends(_cookie)]


async def session_of(request: Request) -> Session | None:
    """Return the live session of the request's cookie, or None for a visitor."""
    cookie = await _cookie(request)
    return await (await _sessions(request)).find(cookie.read(request))


async def signed_in(request: Request) -> Session:
    """Return the live session of the request's cookie; raises NotSignedIn."""
    session = await session_of(request)
    if session is None:
        raise NotSignedIn
    return session


CurrentSession = Annotated[Session, Depends(signed_in)]
"""The session; 401 `not-signed-in` without one."""


def caller_of(session: Session, request: Request) -> Caller:
    """Return whom a service is told of, with what they have already seen."""
    return Caller(
        account_id=session.account_id,
        patient_id=session.patient_id,
        roles=session.roles,
        positions=decode(request.headers.get(HEADER)),
    )
