"""What surrounds every request?

Its trace, one log line, an answer when something unforeseen happens, and a limit on the body: more than
64 KiB of anything is refused with 413, by what arrives and not by what Content-Length claims.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portal_chassis.logs import exception_summary
from portal_chassis.metrics import Metrics
from portal_chassis.problems import internal_error_response, refusal_response
from portal_chassis.trace import continued, enter
from portal_eventstore.decision import Refusal

MAX_BODY_BYTES: Final = 64 * 1024

_QUIET: Final = frozenset({"/healthz", "/readyz"})

_log = structlog.get_logger()


class BodyTooLarge(Refusal):
    """The body is longer than this endpoint reads."""

    code = "body-too-large"
    title = "The request is too large"
    status = 413


class RequestMiddleware:
    """Traces, logs, counts and, where all else failed, answers 500."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap the rest of the app."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        enter(continued(Headers(scope=scope).get("traceparent")))
        started = time.perf_counter()
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            _log.error("request failed", failure=exception_summary(error))
            if status:
                raise  # The answer has begun: only breaking the connection tells the client.
            await internal_error_response()(scope, receive, watch)
        finally:
            if scope["path"] not in _QUIET:
                # The route's template, never the path: a client may have typed anything into it.
                route = getattr(scope.get("route"), "path", "-")
                took = time.perf_counter() - started
                self._metrics.request(route, scope["method"], status, took)
                _log.info(
                    "request", method=scope["method"], route=route, status=status, ms=round(took * 1000, 1)
                )


class BodyLimitMiddleware:
    """Refuses bodies over the limit; paths in `unlimited` read theirs as a stream and count themselves."""

    def __init__(
        self,
        app: ASGIApp,
        limit: int = MAX_BODY_BYTES,
        unlimited: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Wrap the rest of the app; `limit` is in bytes."""
        self._app = app
        self._limit = limit
        self._unlimited = unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what arrives."""
        if scope["type"] != "http" or self._unlimited(scope["path"]):
            await self._app(scope, receive, send)
            return
        claimed = Headers(scope=scope).get("content-length", "")
        if claimed.isascii() and claimed.isdigit() and int(claimed[:20]) > self._limit:
            await refusal_response(BodyTooLarge())(scope, receive, send)
            return
        # Read before the app runs: it would turn our refusal, raised under its parser, into a 400.
        read: list[Message] = []
        size, more = 0, True
        while more:
            message = await receive()
            read.append(message)
            size += len(message.get("body", b""))
            if size > self._limit:
                await refusal_response(BodyTooLarge())(scope, receive, send)
                return
            more = message.get("more_body", False)
        await self._app(scope, _again(read, receive), send)


def _again(read: list[Message], receive: Receive) -> Receive:
    """Give what was read, then what comes."""
    waiting = iter(read)

    async def next_message() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return next_message
