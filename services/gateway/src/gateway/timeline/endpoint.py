"""What has this patient planned, and what has happened?"""

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from gateway.database import answering
from gateway.edge.signed_in import signed_in
from gateway.timeline.filters import From, Kinds, Limit, OneState, To, read_cursor
from gateway.timeline.item import FORMAT
from gateway.timeline.page import Filters, TimelinePage, read_page
from gateway.timeline.project import TIMELINE
from gateway.unavailable import ServiceUnavailable
from portal_chassis.access import NotSignedIn, PatientOnly
from portal_chassis.clock import Clock
from portal_chassis.freshness import told
from portal_chassis.positions import HEADER, decode
from portal_chassis.problems import Invalid, problems
from portal_eventstore.project import reached

router = APIRouter()

_PATH: Final = "/api/timeline"
_LIMIT: Final = 20
_WAIT_SECONDS: Final = 2.0


@router.get(
    _PATH,
    response_model=TimelinePage,
    responses=problems(NotSignedIn, PatientOnly, Invalid, ServiceUnavailable),
)
async def timeline(
    request: Request,
    start: From = None,
    end: To = None,
    kinds: Kinds = None,
    state: OneState = None,
    cursor: Annotated[str | None, Query()] = None,
    limit: Limit = _LIMIT,
) -> Response:
    """List the signed-in patient's items, newest first."""
    return await _answer(
        request,
        Filters(
            limit=limit,
            after=None if cursor is None else read_cursor(cursor),
            start=start,
            end=end,
            kinds=tuple(kinds or ()),
            state=state,
        ),
    )


class FirstPage(BaseRoute):
    """Takes the page that is asked for without filters before FastAPI looks at it.

    Most pages are this one, and the way through FastAPI costs as much as reading it.
    """

    path = _PATH
    """Under this name the log finds it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether this is such a request."""
        plain = (
            scope["type"] == "http"
            and scope["path"] == _PATH
            and scope["method"] == "GET"
            and not scope["query_string"]
        )
        return (Match.FULL, {"route": self}) if plain else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; what is raised finds the app's handlers."""
        response = await _answer(Request(scope, receive), Filters(limit=_LIMIT))
        await response(scope, receive, send)


async def _answer(request: Request, filters: Filters) -> Response:
    session = await signed_in(request)
    if session.patient_id is None:
        raise PatientOnly
    pool: Any = request.app.state.pool
    clock: Clock = request.app.state.clock
    seen = decode(request.headers.get(HEADER))
    with answering():
        there = not seen or await reached(pool, TIMELINE.view, seen, _WAIT_SECONDS)
    page = await read_page(pool, session.patient_id, filters, clock())
    headers = told(request.app.state.freshness, TIMELINE.view, seen=there)
    return Response(orjson.dumps(page, option=FORMAT), headers=headers, media_type="application/json")
