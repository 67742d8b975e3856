"""Is a refusal counted for the operation that refused, and not on the word of a stand-in?"""

from __future__ import annotations

import httpx
import pytest

from portal_contract.operations import Operation, PublicOperation
from portal_contract.produced import fits, produced, unlisted
from portal_contract.seen import Recorder, Seen

PROBLEM = {"type": "/problems/gone", "title": "Gone", "status": 410}


def operation(app: str, method: str, path: str, *codes: str) -> Operation:
    examples = {code: {"value": {"title": code}} for code in codes}
    content = {"application/problem+json": {"examples": examples}}
    return Operation(app, method, path, {"responses": {"409": {"content": content}}}, {})


ONE = operation("gateway", "GET", "/api/things/{id}", "not-signed-in")
CURRENT = operation("gateway", "GET", "/api/things/current", "not-signed-in")
BEHIND = operation("booking", "GET", "/things/{thing_id}", "thing-gone")
OPERATIONS = [PublicOperation(ONE, BEHIND, True), PublicOperation(CURRENT, None, False)]
LISTED = ("GET", "/api/things/{id}", "thing-gone")


@pytest.mark.parametrize(
    ("seen", "counted"),
    [
        (Seen("GET", "/api/things/1", 409, "thing-gone", whole=True), {LISTED}),
        (Seen("GET", "/things/1", 409, "thing-gone", whole=False), {LISTED}),
        # A test let a service that it played say so: that shows nothing.
        (Seen("GET", "/api/things/1", 409, "thing-gone", whole=False), set()),
        (Seen("GET", "/api/things/1", 401, "not-signed-in", whole=False), {(*LISTED[:2], "not-signed-in")}),
        (
            Seen("GET", "/api/things/current", 401, "not-signed-in", whole=False),
            {("GET", "/api/things/current", "not-signed-in")},
        ),
        (Seen("POST", "/api/things/1", 409, "thing-gone", whole=True), set()),
        (Seen("GET", "/api/things/1/parts", 409, "thing-gone", whole=True), set()),
        (Seen("GET", "/api/things/1", 409, "other", whole=True), set()),
    ],
)
def test_given_a_refusal_when_counted_then_where_it_was_refused(seen: Seen, counted: set[object]) -> None:
    assert produced({seen}, OPERATIONS) == counted


@pytest.mark.parametrize(
    ("seen", "listed"),
    [
        (Seen("GET", "/api/things/1", 409, "other", whole=True), False),
        (Seen("GET", "/things/1", 409, "other", whole=False), False),
        (Seen("GET", "/things/no-id", 422, "invalid", whole=False), True),
        (Seen("GET", "/api/things/1", 409, "other", whole=False), True),
        (Seen("GET", "/api/things/current", 409, "thing-gone", whole=True), False),
        (Seen("GET", "/api/things/1", 500, "internal-error", whole=True), True),
        (Seen("GET", "/api/nothing", 404, "not-found", whole=True), True),
        (Seen("GET", "/api/things/1", 409, "thing-gone", whole=True), True),
    ],
)
def test_given_a_refusal_that_the_contract_does_not_list_when_seen_then_named(
    seen: Seen, *, listed: bool
) -> None:
    place = "/api/things/current" if "current" in seen.path else "/api/things/{id}"
    assert unlisted({seen}, OPERATIONS) == (set() if listed else {("GET", place, seen.code)})


def test_given_templates_when_compared_then_one_part_a_parameter() -> None:
    assert fits("/a/{b}/c", "/a/x.y-z/c")
    assert not fits("/a/{b}", "/a/x/y")
    assert not fits("/a.b", "/acb")


def answer(request: httpx.Request) -> httpx.Response:
    kind = "application/json" if request.url.path == "/ok" else "application/problem+json"
    return httpx.Response(410, json=PROBLEM, headers={"content-type": kind})


def test_given_a_recorder_when_a_program_asks_without_waiting_then_noted_too() -> None:
    recorder = Recorder()
    recorder.start()
    try:
        with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://test") as client:
            assert client.post("/b").json() == PROBLEM
    finally:
        recorder.stop()
    assert recorder.seen == {Seen("POST", "/b", 410, "gone", whole=False)}


async def test_given_a_recorder_when_answers_come_then_problems_alone_are_noted_and_stay_readable() -> None:
    before = httpx.AsyncClient.send, httpx.Client.send
    recorder = Recorder()
    recorder.start()
    try:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://test") as client:
            async with client.stream("GET", "/a?secret=1") as response:
                assert (await response.aread()) == response.content
            await client.get("/ok")
    finally:
        recorder.stop()
    assert recorder.seen == {Seen("GET", "/a", 410, "gone", whole=False)}
    assert (httpx.AsyncClient.send, httpx.Client.send) == before
