"""What does every answer tell the browser to refuse?"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
POLICY_WITH_SCRIPT: Final = f"{_POLICY}; script-src 'self'; connect-src 'self'"
"""For a page of ours that has a script in a file of its own, which asks our API."""

_ALWAYS: Final = {
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: with it a browser writes `Origin: null` on form posts of our own pages.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_OVER_TLS: Final = {"strict-transport-security": "max-age=31536000"}


class HeadersMiddleware:
    """Adds the security headers to every answer, and keeps what is under /api out of caches."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        """Wrap the whole app, errors included."""
        self._app = app
        self._headers = {**_ALWAYS, **_OVER_TLS} if https else _ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("content-security-policy", _POLICY)
                if scope["path"].startswith("/api/"):
                    # What can be revalidated may be kept, by this browser alone.
                    kept = "private, no-cache" if "etag" in headers else "no-store"
                    headers.setdefault("cache-control", kept)
            await send(message)

        await self._app(scope, receive, add)
