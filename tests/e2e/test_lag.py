"""Do operators and clients see how far everything is, in figures, on the command line and in the answers?"""

from __future__ import annotations

import asyncio
import json
import signal

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.services import SERVICES

from portal_faults.running import RunningPortal, eventually

from .browser import Patient
from .people import Typed

pytestmark = pytest.mark.connected

Figures = dict[tuple[str, frozenset[str]], float]


async def figures(portal: RunningPortal, name: str) -> tuple[str, Figures]:
    """Return what a process shows, as text and by name and labels."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"http://127.0.0.1:{portal.record(name).metrics_port}/metrics")).text
    return text, {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def counted(portal: RunningPortal, name: str, metric: str, *labels: str) -> float:
    """Return one figure, 0 where nothing was counted yet."""
    return (await figures(portal, name))[1].get((metric, frozenset(labels)), 0.0)


def lag(portal: RunningPortal) -> tuple[int, dict[str, dict[str, object]]]:
    """Ask as an operator does; return the exit code and what each service said."""
    said = portal.tell("lag", "--json")
    found = [json.loads(line) for line in said.stdout.splitlines()]
    return said.returncode, {each["service"]: each for each in found}


async def test_given_a_running_portal_then_every_process_of_a_service_shows_what_it_is(
    portal: RunningPortal,
) -> None:
    for service in SERVICES:
        for name, role in ((service, "app"), (f"{service}-worker", "worker")):
            text, _ = await figures(portal, name)
            assert f'role="{role}",service="{service}"' in text
            assert portal.record(name).metrics_port != portal.record(name).port
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{portal.url}/metrics")).status_code == 404


async def test_given_a_visit_when_booked_then_the_figures_move_and_nobody_is_in_them(
    portal: RunningPortal, known_patient: Patient, typed: Typed
) -> None:
    browser = known_patient.browser
    posted = ("portal_http_request_duration_seconds_count", "/api/appointments", "POST", "2xx")

    async def now() -> dict[str, float]:
        return {
            "requests": await counted(portal, "gateway", *posted),
            "events": await counted(portal, "booking", "portal_append_events_total"),
            "published": await counted(portal, "booking-worker", "portal_relay_published_position"),
        }

    before = await now()
    [slot, *_] = await browser.slots("Dentist", city="Kraków")
    assert (await browser.book(slot["slotId"], reason=typed.reason("Kowalska"))).status_code == 201
    booked = await now()
    assert booked["requests"] == before["requests"] + 1
    assert booked["events"] > before["events"]

    async def relayed() -> bool:
        return (await now())["published"] > before["published"]

    await eventually(relayed, "the relay's mark has moved")
    for service in SERVICES:
        for name in (service, f"{service}-worker"):
            text, found = await figures(portal, name)
            assert [needle for needle in typed.needles() if needle.decode() in text] == []
            assert known_patient.patient_id not in text
            assert slot["slotId"] not in text
            assert "Krak" not in text
            # A few hundred lines, however much was asked for.
            assert len(found) < 1_000


async def test_hazard_a_worker_stands_still_then_clients_and_operators_are_told_until_it_goes_on(
    portal: RunningPortal, patient: Patient
) -> None:
    browser = patient.browser
    portal.hurt("gateway-worker", signal.SIGSTOP)
    try:

        async def stale() -> str | None:
            at: str | None = (await browser.get("/api/timeline")).headers.get("Portal-Fresh-At")
            return at

        stood = await eventually(stale, "the timeline says that it does not keep up")
        answer = await browser.get("/api/timeline")
        assert (answer.headers["Portal-Stale"], answer.headers["Portal-Fresh-At"]) == ("true", stood)
    finally:
        portal.hurt("gateway-worker", signal.SIGCONT)

    await browser.up_to_date(portal)
    code, found = await asyncio.to_thread(lag, portal)
    assert code == 0, found
    assert set(found) == set(SERVICES)
