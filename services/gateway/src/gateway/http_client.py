"""How does the gateway speak HTTP/1.1 to a service? On kept connections, with one request at a time on each.

No more of HTTP than two programs of ours need (RFC 9112): no redirects, no cookies, no content codings; whole
answers. A general client costs a forwarded request more than everything else that the gateway does with it.
"""

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser

# Less than the five seconds after which uvicorn closes an idle connection: no write may meet a closed one.
_KEPT_SECONDS: Final = 3.0
_CONNECT_SECONDS: Final = 2.0
_CONNECTIONS: Final = 128
_FIRST_FINAL_STATUS: Final = 200

# What would end a line early would begin another one, of the client's making.
_TARGET: Final = re.compile(r"/[\x21-\x7e\x80-\xff]*")
_LINE: Final = re.compile(r"[^\r\n\0]*")


class Disconnected(ConnectionError):
    """The connection ended before anything of an answer had come."""


class Unreadable(Exception):
    """What came is no HTTP answer, or half of one."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One whole answer. Names of `headers` are in lower case; of a repeated one the first counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """The kept connections to one service."""

    def __init__(self, base_url: str) -> None:
        """Take the service's address; it is connected to when first asked."""
        parts = urlsplit(base_url.rstrip("/"))
        if parts.hostname is None:
            raise ValueError("not a web address")
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or (443 if self._tls else 80)
        self._prefix = parts.path
        self._authority = parts.netloc.rpartition("@")[2]
        self._room = asyncio.Semaphore(_CONNECTIONS)
        self._idle: deque[_Connection] = deque()

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"", *, within: float
    ) -> HttpAnswer:
        """Send a request and return its answer.

        `target` is ready to be sent; `within` are seconds for everything. Raises Disconnected, Unreadable,
        TimeoutError or OSError.
        """
        request = self._written(method, target, headers, body)
        async with asyncio.timeout(within), self._room:
            connection = self._kept() or await self._connect()
            try:
                answer = await connection.exchange(request)
            except BaseException:
                # What may still come would be taken for the next request's answer.
                connection.close()
                raise
            if connection.goes_on:
                connection.idle_since = asyncio.get_running_loop().time()
                self._idle.append(connection)
            else:
                connection.close()
            return answer

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    def _written(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if not _TARGET.fullmatch(target) or not all(map(_LINE.fullmatch, lines)):
            raise ValueError("a request that would not be read as it is meant")
        if body or method not in ("GET", "DELETE"):
            lines.append(f"content-length: {len(body)}")
        head = f"{method} {self._prefix}{target} HTTP/1.1\r\nhost: {self._authority}\r\n"
        return (head + "\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body

    def _kept(self) -> "_Connection | None":
        """Return the connection that was used last, unless it is idle for too long, and so all others."""
        oldest = asyncio.get_running_loop().time() - _KEPT_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.goes_on and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> "_Connection":
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, made = await asyncio.get_running_loop().create_connection(
                _Connection, self._host, self._port, ssl=self._tls or None
            )
        return made


class _Connection(asyncio.Protocol):
    """One connection. The parser calls `on_…` while it reads."""

    def __init__(self) -> None:
        self.goes_on = True
        """Whether another request may follow."""
        self.idle_since = 0.0
        self._parser = HttpResponseParser(self)
        self._answered: asyncio.Future[HttpAnswer] | None = None
        self._begun = False
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    async def exchange(self, request: bytes) -> HttpAnswer:
        """Send a request and wait for its answer."""
        self._answered = asyncio.get_running_loop().create_future()
        self._begun = False
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        """Close the connection at once."""
        self.goes_on = False
        self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        """Remember where to write to."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read on; what nobody asked for ends the connection."""
        if self._answered is None or self._answered.done():
            self.close()
            return
        self._begun = True
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self._fail(Unreadable("malformed"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        """Tell whoever waits."""
        self._fail(Unreadable("incomplete") if self._begun else Disconnected())

    def on_message_begin(self) -> None:
        """Begin an answer."""
        self._headers, self._body = {}, []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand the answer over."""
        status = self._parser.get_status_code()
        self.goes_on = self.goes_on and self._parser.should_keep_alive()
        if status < _FIRST_FINAL_STATUS:
            self._fail(Unreadable("not final"))
        elif self._answered is not None and not self._answered.done():
            self._answered.set_result(HttpAnswer(status, self._headers, b"".join(self._body)))
        else:
            self.goes_on = False

    def _fail(self, error: Exception) -> None:
        self.goes_on = False
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)
