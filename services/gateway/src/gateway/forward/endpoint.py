"""How does a request reach the service that answers it?"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

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
