"""Which refusals, and which answers of whole portals, did the tests of this run see?

Every answer that httpx brings, in whatever test, is looked at; each process of a run writes down what it saw.
This file imports no app: the root conftest.py loads it for every run.
"""

from __future__ import annotations

import base64
import functools
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import httpx

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
TYPE: Final = "/problems/"
KEPT: Final = 20
"""How many answers of one kind are kept to be compared with the contract."""


@dataclass(frozen=True)
class Seen:
    """One refusal that a test got. `whole`: over a socket, from a portal of which no part was played."""

    method: str
    path: str
    status: int
    code: str
    whole: bool


@dataclass(frozen=True)
class Answer:
    """One success in JSON, of a whole portal."""

    method: str
    path: str
    status: int
    body: bytes


class Recorder:
    """Notes refusals and answers from `start` to `stop`."""

    def __init__(self) -> None:
        self.seen: set[Seen] = set()
        self.answers: defaultdict[tuple[str, str, int], list[Answer]] = defaultdict(list)
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

    def written(self) -> Mapping[str, Any]:
        """Return all of it as JSON can hold it."""
        answers = [answer for alike in self.answers.values() for answer in alike]
        return {
            "seen": [asdict(one) for one in self.seen],
            "answers": [{**asdict(one), "body": base64.b64encode(one.body).decode()} for one in answers],
        }

    def read(self, written: Mapping[str, Any]) -> None:
        """Add what another process has written."""
        self.seen |= {Seen(**one) for one in written["seen"]}
        for one in written["answers"]:
            self._keep(Answer(**{**one, "body": base64.b64decode(one["body"])}))

    def _replace(self, client: type[Any], send: Callable[..., Awaitable[Any] | Any]) -> None:
        self._kept.append(functools.partial(setattr, client, "send", client.send))
        client.send = send

    def _note(self, client: httpx.AsyncClient | httpx.Client, response: httpx.Response) -> None:
        # Not the whole address: a query may be long, and says nothing about the operation.
        method, path, status = response.request.method, response.request.url.path, response.status_code
        whole = isinstance(client._transport, httpx.HTTPTransport | httpx.AsyncHTTPTransport)  # noqa: SLF001
        if is_problem(response):
            kind = str(response.json().get("type", ""))
            if kind.startswith(TYPE):
                self.seen.add(Seen(method, path, status, kind.removeprefix(TYPE), whole))
        elif whole and media_type(response) == JSON and response.is_closed:
            self._keep(Answer(method, path, status, response.content))

    def _keep(self, answer: Answer) -> None:
        alike = self.answers[answer.method, re.sub(r"/[^/]*\d[^/]*", "/{}", answer.path), answer.status]
        if len(alike) < KEPT:
            alike.append(answer)


def is_problem(response: httpx.Response) -> bool:
    """Tell whether an answer is a problem document."""
    return media_type(response) == PROBLEM


def media_type(response: httpx.Response) -> str:
    """Return what an answer's body is."""
    return str(response.headers.get("content-type", "")).partition(";")[0]
