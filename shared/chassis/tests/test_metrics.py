"""Does a process show its figures, on a port of their own, and nothing of anybody in them?"""

import asyncio
import platform
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from portal_chassis.app import create_app
from portal_chassis.metrics import Metrics
from portal_eventstore.execute import Tally

from .service_processes import answers, free_port, process, until

SECRET = "kowalski"
"""Whoever sends it must not find it among the figures."""

NO_LABELS: frozenset[str] = frozenset()


@pytest.fixture
def app() -> FastAPI:
    app = create_app("example")

    @app.get("/people/{name}")
    async def person(name: str) -> str:
        return name

    return app


async def send(app: FastAPI, method: str, path: str, **more: Any) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://example") as client:
        await client.request(method, path, **more)


def samples(metrics: Metrics | str) -> dict[tuple[str, frozenset[str]], float]:
    text = metrics if isinstance(metrics, str) else generate_latest(metrics.registry).decode()
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_given_requests_then_they_are_counted_by_template_method_and_class_of_status(
    app: FastAPI,
) -> None:
    for name in ("anna", "jan"):
        await send(app, "GET", f"/people/{name}")
    await send(app, "POST", "/people/anna")
    found, name = samples(app.state.metrics), "portal_http_request_duration_seconds_count"
    assert found[name, frozenset({"/people/{name}", "GET", "2xx"})] == 2
    assert found[name, frozenset({"/people/{name}", "POST", "4xx"})] == 1


async def test_given_names_in_paths_queries_methods_and_headers_then_no_figure_holds_them(
    app: FastAPI,
) -> None:
    await send(app, "GET", f"/people/{SECRET}")
    await send(app, "GET", f"/people/{uuid4()}?q={SECRET}")
    await send(app, "GET", f"/{SECRET}/{SECRET}", headers={"Portal-Break-Glass": SECRET})
    await send(app, SECRET.upper(), "/people/anna")
    await send(app, "POST", "/people/anna", json={"name": SECRET})
    text = generate_latest(app.state.metrics.registry).decode()
    assert SECRET not in text.lower()
    labels = {
        sample.labels.get("method") for f in text_string_to_metric_families(text) for sample in f.samples
    }
    assert labels <= {None, "GET", "POST", "other"}


def test_given_a_decider_when_it_appends_then_the_figures_follow() -> None:
    metrics, tally = Metrics(), Tally()
    metrics.add_appends(tally)
    tally.batches, tally.events, tally.stale = 3, 7, 1
    found = samples(metrics)
    assert found["portal_append_batches_total", NO_LABELS] == 3
    assert found["portal_append_events_total", NO_LABELS] == 7
    assert found["portal_append_conflicts_total", NO_LABELS] == 1


async def test_given_figures_on_their_own_port_then_the_public_one_has_none_and_they_answer_while_it_drains(
    tmp_path: Path,
) -> None:
    port, own = free_port(), free_port()
    async with (
        process("all", tmp_path, HTTP_PORT=str(port), METRICS_PORT=str(own)) as started,
        httpx.AsyncClient() as client,
    ):
        public, figures = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{own}/metrics"
        await until(lambda: answers(client, f"{public}/readyz", 200))
        assert (await client.get(f"{public}/metrics")).status_code == 404
        slow = asyncio.create_task(client.get(f"{public}/slow"))
        await asyncio.sleep(0.3)
        started.send_signal(signal.SIGTERM)

        async def draining() -> bool:
            try:
                async with httpx.AsyncClient() as other:
                    await other.get(f"{public}/healthz")
            except httpx.ConnectError:
                return True
            return False

        await until(draining)
        assert not slow.done()
        found = samples((await client.get(figures)).text)
        assert (
            found["portal_build_info", frozenset({"0.1.0", "all", "example", platform.python_version()})] == 1
        )
        assert (await slow).status_code == 200
        assert await started.wait() == 0
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient() as other:
            await other.get(figures)


async def test_given_the_port_for_figures_is_taken_when_started_then_one_sentence_and_1(
    tmp_path: Path,
) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        taken = server.sockets[0].getsockname()[1]
        async with process("app", tmp_path, HTTP_PORT=str(free_port()), METRICS_PORT=str(taken)) as started:
            _, errors = await started.communicate()
    assert started.returncode == 1
    assert errors == f"example: cannot listen on 127.0.0.1:{taken} for metrics\n".encode()
