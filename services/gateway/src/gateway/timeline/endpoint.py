"""What has this patient planned, and what has happened?"""

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gateway.database import answering
from gateway.edge.signed_in import CurrentSession
from gateway.timeline.filters import From, Kinds, Limit, OneState, To, read_cursor
from gateway.timeline.item import FORMAT
from gateway.timeline.page import Page, Wanted, read_page
from gateway.timeline.project import TIMELINE
from gateway.unavailable import ServiceUnavailable
from portal_chassis.access import NotSignedIn, PatientOnly
from portal_chassis.clock import CurrentTime
from portal_chassis.positions import HEADER, decode
from portal_chassis.problems import Invalid, problems
from portal_eventstore.project import reached

router = APIRouter()

_WAIT_SECONDS: Final = 2.0


@router.get(
    "/api/timeline",
    response_model=Page,
    responses=problems(NotSignedIn, PatientOnly, Invalid, ServiceUnavailable),
)
async def timeline(  # noqa: PLR0913, PLR0917 - FastAPI calls it, by name
    request: Request,
    session: CurrentSession,
    now: CurrentTime,
    start: From = None,
    end: To = None,
    kinds: Kinds = None,
    state: OneState = None,
    cursor: Annotated[str | None, Query()] = None,
    limit: Limit = 20,
) -> Response:
    """List the signed-in patient's items, newest first."""
    if session.patient_id is None:
        raise PatientOnly
    wanted = Wanted(
        patient_id=session.patient_id,
        now=now,
        limit=limit,
        after=None if cursor is None else read_cursor(cursor),
        start=start,
        end=end,
        kinds=tuple(kinds or ()),
        state=state,
    )
    pool: Any = request.app.state.pool
    seen = decode(request.headers.get(HEADER))
    with answering():
        fresh = not seen or await reached(pool, TIMELINE.view, seen, _WAIT_SECONDS)
    page = await read_page(pool, wanted)
    headers = None if fresh else {"Portal-Stale": "true"}
    return Response(orjson.dumps(page, option=FORMAT), headers=headers, media_type="application/json")
