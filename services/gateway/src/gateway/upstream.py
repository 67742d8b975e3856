"""How does the gateway ask a service, and what may come back through it?

Of a request only what is named here goes in, of an answer only what is named here comes out. A service that
does not answer in time is 503, one whose answer cannot be used is 502; neither is ever a hang or a traceback.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson
import structlog
from starlette.responses import Response
from yarl import URL

from gateway.unavailable import ServiceUnavailable
from portal_chassis.access import Caller, TokenSigner
from portal_chassis.positions import HEADER, Positions, decode, encode
from portal_chassis.problems import MEDIA_TYPE
from portal_chassis.trace import current_trace
from portal_eventstore.decision import Refusal

# Less than the five seconds after which uvicorn closes an idle connection: no write may meet a closed one.
_KEEP_ALIVE_SECONDS: Final = 3.0
_CONNECT_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 10.0
_PROBE_SECONDS: Final = 1.0
_CONNECTIONS: Final = 128

CLIENT_ADDRESS: Final = "portal-client-address"
"""Tells identity, which limits attempts, where a request comes from. A client cannot send it."""

_PASSED_IN: Final = (
    "accept",
    "accept-language",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
)
_PASSED_OUT: Final = (
    "cache-control",
    "content-language",
    "content-type",
    "etag",
    "last-modified",
    "location",
    "portal-fresh-at",
    "portal-stale",
    "retry-after",
    "vary",
    "www-authenticate",
)

_log = structlog.get_logger()


class ServiceFailed(Refusal):
    """The service behind this path answered with something that is no answer (RFC 9110, 15.6.3)."""

    code = "service-failed"
    title = "This part of the portal does not work at the moment"
    status = 502


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to a service. `path` and `query` are ready to be sent; `caller` is None for a visitor.

    `client_address`: of the person's own machine, for a service that limits attempts by address.
    """

    method: str
    path: str
    caller: Caller | None
    now: datetime
    query: str = ""
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    client_address: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, cleaned: `positions` are the service's own."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    positions: Positions

    def response(self) -> Response:
        """Return the answer as the gateway's own."""
        headers = {**self.headers, HEADER: encode(self.positions)} if self.positions else self.headers
        return Response(self.body, self.status, headers)


class Upstream:
    """One service."""

    def __init__(
        self,
        name: str,
        base_url: str,
        http: aiohttp.ClientSession,
        signer: TokenSigner,
        *,
        answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:
        """Take the service's name, which is the tokens' audience, and its address inside."""
        self.name = name
        self._base_url = base_url.rstrip("/")
        self._http = http
        self._signer = signer
        self._timeout = aiohttp.ClientTimeout(total=answer_seconds, sock_connect=_CONNECT_SECONDS)

    async def ask(self, ask: Ask) -> Answer:
        """Send the request and return the answer; raises ServiceUnavailable or ServiceFailed."""
        sent = self._headers(ask)
        # A connection that broke says nothing about the write; with the client's key a repeat is harmless.
        repeatable = ask.method == "GET" or "idempotency-key" in sent
        try:
            try:
                return await self._send(ask, sent)
            except (aiohttp.ServerDisconnectedError, ConnectionResetError):
                if not repeatable:
                    raise
                return await self._send(ask, sent)
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            self._unusable(type(error).__name__)
            raise ServiceFailed from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("service does not answer", upstream=self.name, error=type(error).__name__)
            raise ServiceUnavailable from error

    async def missing(self) -> list[str]:
        """Return what /readyz should say: nothing when the service is alive."""
        timeout = aiohttp.ClientTimeout(total=_PROBE_SECONDS)
        try:
            async with self._http.get(f"{self._base_url}/healthz", timeout=timeout) as response:
                if response.status == HTTPStatus.OK:
                    return []
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        return [f"{self.name} does not answer"]

    def _headers(self, ask: Ask) -> dict[str, str]:
        given = ask.headers or {}
        headers = {name: value for name in _PASSED_IN if (value := given.get(name)) is not None}
        headers["accept-encoding"] = "identity"
        headers["traceparent"] = current_trace().traceparent
        if ask.client_address is not None:
            headers[CLIENT_ADDRESS] = ask.client_address
        if ask.caller is not None:
            token = self._signer.sign(ask.caller, audience=self.name, now=ask.now)
            headers["authorization"] = f"Bearer {token}"
        return headers

    async def _send(self, ask: Ask, headers: Mapping[str, str]) -> Answer:
        target = f"{self._base_url}{ask.path}?{ask.query}" if ask.query else self._base_url + ask.path
        async with self._http.request(
            ask.method,
            URL(target, encoded=True),
            data=ask.body or None,
            headers=headers,
            timeout=self._timeout,
            allow_redirects=False,
            skip_auto_headers=("user-agent", "content-type"),
        ) as response:
            body = await response.read()
            return self._cleaned(ask, response, body)

    def _cleaned(self, ask: Ask, response: aiohttp.ClientResponse, body: bytes) -> Answer:
        status = response.status
        headers = {name: value for name in _PASSED_OUT if (value := response.headers.get(name)) is not None}
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if status >= HTTPStatus.BAD_REQUEST:
            body = self._problem(ask, status, media_type, body)
            headers["content-type"] = MEDIA_TYPE
        elif status >= HTTPStatus.MULTIPLE_CHOICES and status != HTTPStatus.NOT_MODIFIED:
            raise self._unusable("redirect")
        elif body and media_type != "application/json":
            raise self._unusable("media type")
        location = headers.pop("location", None)
        if location is not None and location.startswith("/") and not location.startswith("//"):
            headers["location"] = f"/api{location}"
        return Answer(status, headers, body, decode(response.headers.get(HEADER)))

    def _problem(self, ask: Ask, status: int, media_type: str, body: bytes) -> bytes:
        try:
            document: Any = orjson.loads(body) if media_type == MEDIA_TYPE else None
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict) or not isinstance(document.get("type"), str):
            raise self._unusable(f"status {status} without a problem")
        if ask.caller is not None and document["type"] == "/problems/not-signed-in":
            # The person is signed in: it is our token that the service refuses (clocks, keys).
            raise self._unusable("token refused")
        instance = document.get("instance")
        if isinstance(instance, str) and instance.startswith("/"):
            document["instance"] = f"/api{ask.path}"
        return orjson.dumps(document)

    def _unusable(self, what: str) -> ServiceFailed:
        _log.error("service gave no usable answer", upstream=self.name, what=what)
        return ServiceFailed()


@asynccontextmanager
async def pooled_client() -> AsyncIterator[aiohttp.ClientSession]:
    """Give the block one client with pooled connections, for all services."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0, limit_per_host=_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_SECONDS
        ),
        # Sessions are the gateway's: a cookie that a service sets would be everybody's.
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    ) as http:
        yield http
