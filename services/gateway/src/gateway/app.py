"""How is the gateway's HTTP side put together?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import Mount

from gateway.account import endpoint as account
from gateway.database import answering, connected, connection
from gateway.edge.cookie import SessionCookie
from gateway.edge.csrf import CsrfMiddleware, origins_of
from gateway.edge.headers import HeadersMiddleware
from gateway.edge.open_sessions import OpenSessions
from gateway.edge.positions import PositionsMiddleware
from gateway.edge.session_table import SessionTable
from gateway.forward.endpoint import Forwarding, forwarding
from gateway.forward.routes import ROUTES
from gateway.landing import endpoint as landing
from gateway.link_pages import endpoint as link_pages
from gateway.problem_pages.endpoint import problem_pages, read_texts
from gateway.sessions import endpoint as sessions
from gateway.settings import GatewaySettings
from gateway.timeline import endpoint as timeline
from gateway.timeline import stream
from gateway.timeline.project import TIMELINE
from gateway.timeline.streams import Streams
from gateway.unavailable import ServiceUnavailable
from gateway.upstream import Upstream, pooled_client
from portal_chassis.access import TokenSigner
from portal_chassis.app import add_ready_check, create_app
from portal_chassis.clock import Clock, utc_now
from portal_eventstore.freshness import Freshness


def make_app(settings: GatewaySettings, *, clock: Clock = utc_now) -> FastAPI:
    """Wire the gateway's app; its connections open with the lifespan."""
    signer = TokenSigner(settings.gateway_signing_key_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with connected(settings.database_url, "gateway app") as pool, pooled_client() as http:
            app.state.pool = pool
            app.state.sessions = OpenSessions(SessionTable(pool), clock)
            app.state.upstreams = {
                "booking": Upstream("booking", settings.booking_url, http, signer),
                "identity": Upstream("identity", settings.identity_url, http, signer),
            }
            app.state.streams = Streams(settings.database_url, app.state.stopping)
            app.state.freshness = Freshness(pool, {TIMELINE.view: TIMELINE.topics})
            async with app.state.sessions.kept(), app.state.streams.kept(), app.state.freshness.kept():
                yield

    app = dressed(create_app("gateway", lifespan=lifespan, clock=clock), settings)

    async def missing() -> list[str]:
        found = [] if await _database_answers(app.state.pool) else ["the gateway's database does not answer"]
        for upstream in app.state.upstreams.values():
            found.extend(await upstream.missing())
        return found

    add_ready_check(app, missing)
    return app


def dressed(app: FastAPI, settings: GatewaySettings) -> FastAPI:
    """Give the app its rooms and what surrounds them; `state` still needs pool, sessions and upstreams."""
    app.title = "Patient Portal"
    app.version = "1"
    app.state.session_cookie = SessionCookie(settings.https)
    for room in (
        sessions.router,
        account.router,
        forwarding(ROUTES),
        timeline.router,
        stream.router,
        landing.router,
        link_pages.router,
        problem_pages(read_texts()),
    ):
        app.include_router(room)
    app.router.routes[:0] = [timeline.FirstPage(), Forwarding(ROUTES)]
    app.router.routes.append(Mount("", app=landing.nothing_here))
    # Outermost, so that errors wear them too.
    app.add_middleware(PositionsMiddleware)
    app.add_middleware(HeadersMiddleware, https=settings.https)
    # Innermost, so that a refused write is traced and logged like any other.
    app.user_middleware.append(Middleware(CsrfMiddleware, origins=origins_of(settings.public_url)))
    return app


async def _database_answers(pool: Any) -> bool:
    try:
        with answering():
            async with connection(pool) as held:
                await held.fetchval("select 1")
    except ServiceUnavailable:
        return False
    return True
