"""How does a request reach the service that answers it?"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from re import Pattern
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, compile_path
from starlette.types import Receive, Scope, Send

from gateway.edge.client import client_address
from gateway.edge.csrf import SAFE_METHODS, CrossSite
from gateway.edge.signed_in import caller_of, session_of
from gateway.forward.routes import Forwarded
from gateway.unavailable import ServiceUnavailable
from gateway.upstream import Ask, ServiceFailed, Upstream
from portal_chassis.access import NotSignedIn
from portal_chassis.clock import Clock
from portal_chassis.problems import problems
from portal_chassis.requests import BodyTooLarge

_PREFIX: Final = "/api"


class Forwarding(BaseRoute):
    """Takes forwarded requests before FastAPI looks at them: its way there costs as much as the forwarding.

    What it leaves (another method, another path) FastAPI answers, whose operations also describe the API.
    """

    def __init__(self, routes: Iterable[Forwarded]) -> None:
        """Take all of them; those without ids are found by their very path."""
        self._fixed: dict[tuple[str, str], _Handled] = {}
        self._with_ids: list[tuple[str, Pattern[str], _Handled]] = []
        for route in routes:
            handled = _Handled(route.path, _handler(route))
            if "{" in route.path:
                self._with_ids.append((route.method, compile_path(route.path)[0], handled))
            else:
                self._fixed[route.method, route.path] = handled

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find the operation."""
        if scope["type"] != "http":
            return Match.NONE, {}
        method, path = scope["method"], scope["path"]
        found = self._fixed.get((method, path)) or next(
            (
                handled
                for of, pattern, handled in self._with_ids
                if of == method and pattern.match(path) is not None
            ),
            None,
        )
        # Under this name the log finds the path's template.
        return (Match.NONE, {}) if found is None else (Match.FULL, {"route": found})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the service and answer; what is raised finds the app's handlers."""
        handled: _Handled = scope["route"]
        response = await handled.forward(Request(scope, receive))
        await response(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Handled:
    path: str
    forward: Callable[[Request], Awaitable[Response]]


def forwarding(routes: Iterable[Forwarded]) -> APIRouter:
    """Return a router with one operation for each of `routes`."""
    router = APIRouter()
    for route in routes:
        refusals = [ServiceUnavailable, ServiceFailed]
        if route.needs_session:
            refusals.append(NotSignedIn)
        if route.method not in SAFE_METHODS:
            refusals.extend((CrossSite, BodyTooLarge))
        router.add_api_route(
            route.path, _handler(route), methods=[route.method], responses=problems(*refusals)
        )
    return router


def _handler(route: Forwarded) -> Callable[[Request], Awaitable[Response]]:
    async def forward(request: Request) -> Response:
        """Ask the service, as the signed-in person."""
        session = await session_of(request)
        if session is None and route.needs_session:
            raise NotSignedIn
        clock: Clock = request.app.state.clock
        upstreams: dict[str, Upstream] = request.app.state.upstreams
        answer = await upstreams[route.service].ask(
            Ask(
                method=route.method,
                # Quoted again: where a token belongs, anything may have been typed.
                path=quote(request.scope["path"].removeprefix(_PREFIX)),
                caller=None if session is None else caller_of(session, request),
                now=clock(),
                query=request.scope["query_string"].decode("latin-1"),
                headers=request.headers,
                body=b"" if route.method in SAFE_METHODS else await request.body(),
                client_address=client_address(request) if route.service == "identity" else None,
            )
        )
        return answer.response()

    return forward
