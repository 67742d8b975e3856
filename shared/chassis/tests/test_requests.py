"""Are requests traced, logged without personal data, and limited in size?"""

import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI, Request

from portal_chassis.app import add_degraded_check, add_ready_check, create_app
from portal_chassis.logs import configure_logging
from portal_chassis.requests import MAX_BODY_BYTES
from portal_chassis.trace import continued, current_trace

SECRET = "jan.kowalski@example.org"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def app() -> FastAPI:
    app = create_app("example", unlimited=lambda path: path == "/files")

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    @app.post("/files")
    async def files(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @app.get("/patients/{patient}")
    async def patient(patient: str) -> dict[str, str]:
        del patient
        return {"trace": current_trace().trace_id}

    @app.get("/fault")
    async def fault() -> None:
        logging.getLogger("library").error("oops", exc_info=RuntimeError(SECRET))
        logging.getLogger("library").info("GET %s", SECRET)
        raise RuntimeError(SECRET)

    return app


@pytest.fixture
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


async def ask(app: FastAPI, method: str, path: str, **kwargs: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        return await client.request(method, path, **kwargs)


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 1024


@pytest.mark.parametrize(("size", "status"), [(0, 200), (MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)])
async def test_given_a_body_of_a_size_when_sent_then_only_64_kib_are_read(
    app: FastAPI, size: int, status: int
) -> None:
    response = await ask(app, "POST", "/echo", content=b"x" * size)
    assert response.status_code == status
    assert response.json() == size if status == 200 else response.json()["type"] == "/problems/body-too-large"


async def test_hazard_body_without_a_length_is_counted(app: FastAPI) -> None:
    assert (await ask(app, "POST", "/echo", content=pieces(64))).json() == MAX_BODY_BYTES
    assert (await ask(app, "POST", "/echo", content=pieces(65))).status_code == 413


@pytest.mark.parametrize("length", ["1", "-1", "x", "²", "9" * 5000])
async def test_hazard_length_that_lies_changes_nothing(app: FastAPI, length: str) -> None:
    headers = {"content-length": length.encode("utf-8")}
    response = await ask(app, "POST", "/echo", content=pieces(65), headers=headers)
    assert response.status_code == 413


async def test_given_an_unlimited_path_when_a_long_body_comes_then_it_is_read(
    app: FastAPI,
) -> None:
    assert (await ask(app, "POST", "/files", content=pieces(200))).json() == 200 * 1024


async def test_given_a_traceparent_when_asked_then_its_trace_goes_on(app: FastAPI) -> None:
    response = await ask(app, "GET", "/patients/1", headers={"traceparent": PARENT})
    assert response.json()["trace"] == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        SECRET,
        "ff" + PARENT[2:],
        PARENT + "-more",
        PARENT.upper(),
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + "-01",
    ],
)
def test_given_an_invalid_traceparent_when_continued_then_a_new_trace_begins(header: str | None) -> None:
    one, other = continued(header), continued(header)
    assert one.trace_id != other.trace_id
    assert "4bf92f3577b34da6a3ce929d0e0e4736" not in {one.trace_id, other.trace_id}
    assert continued(one.traceparent).trace_id == one.trace_id


def test_given_a_later_version_when_continued_then_its_extra_parts_are_ignored() -> None:
    assert continued("01" + PARENT[2:] + "-more").trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.usefixtures("_logging")
async def test_hazard_log_holds_no_query_path_header_body_or_message(
    app: FastAPI, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("example")
    await ask(app, "GET", f"/patients/{SECRET}", params={"q": SECRET}, headers={"x-name": SECRET})
    await ask(app, "GET", f"/{SECRET}")
    await ask(app, "POST", "/echo", content=SECRET)
    await ask(app, "GET", "/fault", headers={"traceparent": PARENT})
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    lines = [json.loads(line) for line in printed.out.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in requests] == [
        ("GET", "/patients/{patient}", 200),
        ("GET", "-", 404),
        ("POST", "/echo", 200),
        ("GET", "/fault", 500),
    ]
    assert {line["service"] for line in lines} == {"example"}
    failures = [line for line in lines if "failure" in line]
    assert [line["event"] for line in failures] == ["oops", "request failed"]
    assert all(line["failure"]["types"] == ["builtins.RuntimeError"] for line in failures)
    assert {line["trace_id"] for line in failures} == {"4bf92f3577b34da6a3ce929d0e0e4736"}


@pytest.mark.usefixtures("_logging")
async def test_hazard_log_that_cannot_be_written_costs_no_answer(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w") as full:  # noqa: ASYNC230
        monkeypatch.setattr(sys, "stdout", full)
        configure_logging("example")
        assert (await ask(app, "POST", "/echo", content=b"x")).status_code == 200
        response = await ask(app, "GET", "/fault")
        assert response.status_code == 500
        assert "traceId" in response.json()
        with contextlib.suppress(OSError):
            full.close()


async def test_given_all_is_there_when_asked_then_live_and_ready(app: FastAPI) -> None:
    assert (await ask(app, "GET", "/healthz")).json() == {"status": "live"}
    response = await ask(app, "GET", "/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "missing": [], "degraded": []}


async def test_given_something_degraded_when_asked_then_ready_and_it_is_told(app: FastAPI) -> None:
    async def watcher() -> list[str]:
        return ["relay of booking: 20 events wait"]

    add_degraded_check(app, watcher)
    response = await ask(app, "GET", "/readyz")
    assert response.status_code == 200
    assert response.json()["degraded"] == ["relay of booking: 20 events wait"]


async def test_given_something_missing_when_asked_then_live_but_not_ready(app: FastAPI) -> None:
    async def broker() -> list[str]:
        return ["Kafka does not answer"]

    async def broken() -> list[str]:
        raise RuntimeError(SECRET)

    add_ready_check(app, broker)
    add_ready_check(app, broken)
    assert (await ask(app, "GET", "/healthz")).status_code == 200
    response = await ask(app, "GET", "/readyz")
    assert response.status_code == 503
    assert response.json()["missing"] == ["Kafka does not answer", "a check failed: RuntimeError"]


async def test_given_a_signal_came_when_asked_then_not_ready(app: FastAPI) -> None:
    app.state.stopping.set()
    assert (await ask(app, "GET", "/readyz")).json()["missing"] == ["stopping"]
