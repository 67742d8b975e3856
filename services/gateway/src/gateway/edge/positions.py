"""How does a client learn what it must have seen?

`Portal-Position` of the request is merged with what the answer adds, and given back on every answer to a
write, refused ones included, and on reads that carried one.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.edge.csrf import SAFE_METHODS
from portal_chassis.positions import HEADER, decode, encode, merge


class PositionsMiddleware:
    """Merges `Portal-Position`."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the rest of the app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        carried = Headers(scope=scope).get(HEADER)
        told = carried is not None or scope["method"] not in SAFE_METHODS

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                new = headers.get(HEADER)
                if told or new is not None:
                    headers[HEADER] = encode(merge(decode(carried), decode(new)))
            await send(message)

        await self._app(scope, receive, add)
