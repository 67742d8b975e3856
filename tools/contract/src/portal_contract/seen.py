"""Which refusals did the tests of this run see?

Every answer that httpx brings, in whatever test, is looked at; problem documents are noted. This file imports
no app: the root conftest.py loads it for every run.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

PROBLEM: Final = "application/problem+json"
TYPE: Final = "/problems/"


@dataclass(frozen=True)
class Seen:
    """One refusal that a test got. `whole`: over a socket, from a portal of which no part was played."""

    method: str
    path: str
    status: int
    code: str
    whole: bool


class Recorder:
    """Notes refusals from `start` to `stop`."""

    def __init__(self) -> None:
        self.seen: set[Seen] = set()
        self._kept: list[Callable[[], None]] = []

    def start(self) -> None:
        """Look at every answer from now on."""
        asynchronous, synchronous = httpx.AsyncClient.send, httpx.Client.send

        @functools.wraps(asynchronous)
        async def asend(client: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
            response = await asynchronous(client, request, **options)
            if is_problem(response):
                await response.aread()
                self._note(client, response)
            return response

        @functools.wraps(synchronous)
        def send(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
            response = synchronous(client, request, **options)
            if is_problem(response):
                response.read()
                self._note(client, response)
            return response

        self._replace(httpx.AsyncClient, asend)
        self._replace(httpx.Client, send)

    def stop(self) -> None:
        """Leave httpx as it was."""
        while self._kept:
            self._kept.pop()()

    def _replace(self, client: type[Any], send: Callable[..., Awaitable[Any] | Any]) -> None:
        self._kept.append(functools.partial(setattr, client, "send", client.send))
        client.send = send

    def _note(self, client: httpx.AsyncClient | httpx.Client, response: httpx.Response) -> None:
        document = response.json()
        kind = str(document.get("type", ""))
        if kind.startswith(TYPE):
            # Not the whole address: a query may be long, and says nothing about the operation.
            path = response.request.url.path
            whole = isinstance(client._transport, httpx.HTTPTransport | httpx.AsyncHTTPTransport)  # noqa: SLF001
            code = kind.removeprefix(TYPE)
            self.seen.add(Seen(response.request.method, path, response.status_code, code, whole))


def is_problem(response: httpx.Response) -> bool:
    """Tell whether an answer is a problem document."""
    return bool(response.headers.get("content-type", "").startswith(PROBLEM))
