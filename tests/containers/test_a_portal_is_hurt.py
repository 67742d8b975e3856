"""Does a portal of containers survive the loss of each, and keep what it was told?"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.e2e.browser import Browser, apart
from tests.e2e.people import Typed
from tests.services import SERVICES

from portal_faults.running import DEADLINE, eventually
from portal_launcher.layout import ROOT

from .conftest import Containers, docker

EACH = (
    "booking-worker",
    "gateway-worker",
    "identity-worker",
    "mailbox",
    "booking-app",
    "gateway-app",
    "identity-app",
    "postgres",
    "kafka",
)
"""Every container that runs all the time; workers before what keeps work from them while it is away."""

TWICE = ("booking-app", "booking-worker")

PEOPLE = 30
BOOKINGS_A_SECOND = 10
SECONDS = 60.0
GONE = 2.0  # seconds that a killed container is away before somebody starts it again

Loss = Callable[[Containers, str], None]
"""How a container is lost, and comes back."""

pytestmark = pytest.mark.connected


class People:
    """They book at a fixed rate, repeat with the same key until they are answered, and cancel again."""

    def __init__(self, browsers: Sequence[Browser], slots: Sequence[str]) -> None:
        """One slot for each."""
        self.acknowledged = 0
        self.answers: Counter[int | str] = Counter()
        self.held: dict[Browser, str] = {}
        self.browsers = browsers
        self._turns = list(zip(browsers, slots, strict=True))

    async def for_seconds(self, seconds: float) -> None:
        """Book all the time, and hold one visit each in the end."""
        async with asyncio.TaskGroup() as tasks:
            for number, (browser, slot) in enumerate(self._turns):
                tasks.create_task(self._live(browser, slot, number / BOOKINGS_A_SECOND, seconds))

    async def _live(self, browser: Browser, slot: str, first: float, seconds: float) -> None:
        ends = time.monotonic() + seconds
        due = time.monotonic() + first
        for number in itertools.count():
            await asyncio.sleep(due - time.monotonic())
            if number:
                await self._insist(browser, f"/api/appointments/{self.held[browser]}/cancellation", {}, 200)
            key = {"Idempotency-Key": f"{slot} {number}"}
            answer = await self._insist(browser, "/api/appointments", {"slotId": slot}, 201, **key)
            self.held[browser] = answer.json()["appointmentId"]
            self.acknowledged += 1
            due += len(self._turns) / BOOKINGS_A_SECOND
            if due > ends:
                return

    async def _insist(
        self, browser: Browser, path: str, body: dict[str, str], wanted: int, **headers: str
    ) -> httpx.Response:
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                answer = await browser.post(path, json=body, headers=headers)
            except httpx.TransportError as error:
                self.answers[type(error).__name__] += 1
            else:
                self.answers[answer.status_code] += 1
                if answer.status_code != 503:
                    assert answer.status_code == wanted, answer.text
                    return answer
            assert time.monotonic() < deadline, self.answers
            await asyncio.sleep(0.5)


@asynccontextmanager
async def people(containers: Containers) -> AsyncIterator[People]:
    typed = Typed()
    async with AsyncExitStack() as opened:
        browsers = [await opened.enter_async_context(Browser(containers.url, typed)) for _ in range(PEOPLE)]
        for browser in browsers:
            assert (await browser.open_account(typed.person())).status_code == 201
        slots = apart(await browsers[0].slots("Internist"))
        assert len(slots) >= PEOPLE
        yield People(browsers, [slot["slotId"] for slot in slots[:PEOPLE]])


def killed(containers: Containers, name: str) -> None:
    containers.compose("kill", name)
    time.sleep(GONE)
    containers.compose("start", name)


def restarted(containers: Containers, name: str) -> None:
    containers.compose("restart", name)


async def each_in_turn(lost: Loss, containers: Containers) -> None:
    """Spread the losses over the time, the first when people have begun."""
    began = time.monotonic()
    for number, name in enumerate(EACH):
        await asyncio.sleep(began + (number + 0.5) * SECONDS / len(EACH) - time.monotonic())
        await asyncio.to_thread(lost, containers, name)


async def all_there(crowd: People) -> bool:
    """Tell whether everybody sees on both lists what they hold, and nothing else."""
    for browser, held in crowd.held.items():
        for path, state in (("/api/appointments", "status"), ("/api/timeline", "state")):
            answer = await browser.get(path, params={"limit": 100})
            if answer.status_code != 200 or "Portal-Stale" in answer.headers:
                return False
            if [i["appointmentId"] for i in answer.json()["items"] if i[state] != "cancelled"] != [held]:
                return False
    return True


def figure(container: str, wanted: str) -> float:
    """Add up what a container says under the names that begin so."""
    shown = docker("exec", container, "python", "-c", FIGURES)
    return sum(float(line.rpartition(" ")[2]) for line in shown.splitlines() if line.startswith(wanted))


FIGURES = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9100/metrics", timeout=5).read().decode())
"""
APPOINTMENTS_READ = 'portal_http_request_duration_seconds_count{method="GET",route="/appointments"'
OWNER = "portal_relay_owner"


def verified(containers: Containers, nothing: Path) -> None:
    """Compare store, topics and views; no portal of processes is in the way."""
    done = containers.python(ROOT / "portal", "verify", PORTAL_STATE=str(nothing))
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(service in done.stdout for service in SERVICES)


@pytest.mark.parametrize("lost", [killed, restarted])
async def test_given_bookings_when_each_container_is_killed_or_restarted_then_nothing_acknowledged_is_lost(
    lost: Loss, containers: Containers, tmp_path: Path
) -> None:
    async with people(containers) as crowd:
        await asyncio.gather(crowd.for_seconds(SECONDS), each_in_turn(lost, containers))

        assert crowd.acknowledged > 0.8 * BOOKINGS_A_SECOND * SECONDS, crowd.answers
        # Some were hurt by it, or nothing was shown.
        assert sum(crowd.answers.values()) > crowd.answers[201] + crowd.answers[200]
        await eventually(lambda: all_there(crowd), "everybody sees what they hold")
    verified(containers, tmp_path)


async def test_given_two_of_each_of_booking_when_one_of_each_dies_then_the_others_do_its_work(
    containers: Containers, tmp_path: Path
) -> None:
    containers.compose("up", "--detach", "--wait", *(f"--scale={name}=2" for name in TWICE))
    try:
        twins = {name: containers.compose("ps", "--quiet", name).split() for name in TWICE}
        assert [len(ids) for ids in twins.values()] == [2, 2]
        async with people(containers) as crowd:

            async def both_answer() -> bool:
                await asyncio.gather(*(browser.items("/api/appointments") for browser in crowd.browsers))
                return all(figure(app, APPOINTMENTS_READ) for app in twins["booking-app"])

            await eventually(both_answer, "each app answers")
            assert sorted(figure(worker, OWNER) for worker in twins["booking-worker"]) == [0, 1]

            async def one_of_each_dies() -> None:
                await asyncio.sleep(5)  # seconds of the twenty: people are at work by then
                owner = max(twins["booking-worker"], key=lambda worker: figure(worker, OWNER))
                docker("kill", twins["booking-app"][0], owner)

            await asyncio.gather(crowd.for_seconds(20), one_of_each_dies())
            await eventually(lambda: all_there(crowd), "everybody sees what they hold")
            left = [len(containers.compose("ps", "--quiet", name).split()) for name in TWICE]
            assert left == [1, 1]
        verified(containers, tmp_path)
    finally:
        containers.compose("up", "--detach", "--wait", "--remove-orphans")


async def test_given_visits_when_all_goes_down_and_up_again_then_they_are_there(
    containers: Containers, tmp_path: Path
) -> None:
    async with people(containers) as crowd:
        await crowd.for_seconds(1)
        containers.compose("down")
        containers.compose("up", "--detach", "--wait")
        await eventually(lambda: all_there(crowd), "everybody sees what they hold")
    verified(containers, tmp_path)
