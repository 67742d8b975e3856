"""What does a person see before signing in, and where nothing is?"""

from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parent
_PAGE: Final = _FOLDER.joinpath("index.html").read_bytes()
_NOT_FOUND: Final = _FOLDER.joinpath("not-found.html").read_bytes()
_STYLE: Final = _FOLDER.joinpath("site.css").read_bytes()
_HTML: Final = "text/html; charset=utf-8"
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@router.api_route("/", methods=["GET", "HEAD"])
async def landing() -> Response:
    """Show what the portal is."""
    return Response(_PAGE, media_type=_HTML)


@router.get("/site.css")
async def style() -> Response:
    """Give the pages their style."""
    return Response(_STYLE, headers={"cache-control": "max-age=3600"}, media_type="text/css; charset=utf-8")


@router.get("/api/openapi.json")
async def openapi(request: Request) -> Response:
    """Describe the API."""
    return Response(orjson.dumps(request.app.openapi()), media_type="application/json")


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what no other route does: 405 with all the path's methods, a page for people, or a problem.

    It stands last; the router alone would name the methods of one route only (RFC 9110, 15.5.6).
    """
    app: Any = scope["app"]
    others = app.router.routes[:-1]
    allowed = [m for m in _METHODS if any(r.matches({**scope, "method": m})[0] is Match.FULL for r in others)]
    if allowed:
        raise HTTPException(405, headers={"Allow": ", ".join(allowed)})
    if scope["path"].startswith("/api/") or scope["method"] not in ("GET", "HEAD"):
        raise HTTPException(404)
    await Response(_NOT_FOUND, 404, media_type=_HTML)(scope, receive, send)
