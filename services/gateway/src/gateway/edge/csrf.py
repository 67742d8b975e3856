"""May this write come from another site?

A browser sends `Origin` with every write; one that is not ours is refused. A client without `Origin` (curl)
must send the header `X-Portal-CSRF`, which another site's page cannot add without our consent (Fetch, CORS).
"""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.settings import LOOPBACK
from portal_chassis.problems import refusal_response
from portal_eventstore.decision import Forbidden

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class CrossSite(Forbidden):
    """The write comes from another origin, or lacks the header that only our own pages and tools send."""

    code = "csrf"
    title = "This request does not come from the portal's own pages"


def origins_of(public_url: str) -> frozenset[str]:
    """Return the origins that are ours, as browsers write them; this machine has three names."""
    parts = urlsplit(public_url)
    hosts = LOOPBACK if parts.hostname in LOOPBACK else (parts.hostname,)
    port = parts.port if parts.port != _DEFAULT_PORTS[parts.scheme] else None
    return frozenset(_origin(parts.scheme, host or "", port) for host in hosts)


class CsrfMiddleware:
    """Refuses foreign writes, whatever their path."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        """Wrap the rest of the app; `origins` are our own."""
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let reads and our own writes pass."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            headers = Headers(scope=scope)
            foreign = any(origin not in self._origins for origin in headers.getlist("origin"))
            if foreign or headers.get("x-portal-csrf") != "1":
                await refusal_response(CrossSite())(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _origin(scheme: str, host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" if port is None else f"{scheme}://{name}:{port}"
