"""Which portal do the end-to-end tests run against, and as whom?

Against one of their own; or against the one that PORTAL_URL names, wherever it runs. Of that they have the
address only, its mailbox (PORTAL_MAILBOX_URL) and its demo.json (PORTAL_DEMO): tests that ask for `portal`,
to look into its databases or to hurt its processes, are left out.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from tests.services import SERVICES

from portal_faults.running import RunningPortal, eventually
from portal_launcher.ports import is_free

from .browser import Browser, Patient, code_of, tomorrow
from .people import Typed
from .schedules import SERVICE_ID, open_soon

Arrive = Callable[[], Browser]
SignUp = Callable[[], Awaitable[Patient]]
SlotsSoon = Callable[..., Awaitable[list[dict[str, Any]]]]


@dataclass(frozen=True)
class Address:
    """What anybody needs of a portal: where people open it, where its mails are read, who can sign in."""

    url: str
    own: RunningPortal | None = None

    @property
    def mailbox(self) -> str:
        """Where its mails are read."""
        return self.own.run().mailbox if self.own else environment("PORTAL_MAILBOX_URL")

    @property
    def demo(self) -> Path:
        """The file that says who can sign in."""
        return self.own.state / "demo.json" if self.own else Path(environment("PORTAL_DEMO"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs hands on the processes, where there is an address only."""
    if "PORTAL_URL" not in os.environ:
        return
    hands = [item for item in items if "portal" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if item not in hands]
    config.hook.pytest_deselected(items=hands)


def pytest_report_header() -> str:
    """Say which portal it is."""
    given = os.environ.get("PORTAL_URL")
    return f"portal: {given}, by its address only" if given else "portal: one of the tests' own"


@pytest.fixture(scope="session")
def typed() -> Typed:
    """Remember what people type in this session."""
    return Typed()


@pytest.fixture(scope="session")
def portal(
    servers: Mapping[str, str], forget_topics: Callable[[], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningPortal]:
    """Bring up one portal for all tests; it must end well, and leave nothing."""
    server, kafka = servers["PORTAL_TEST_DATABASE_URL"], servers["PORTAL_TEST_KAFKA"]
    folder = tmp_path_factory.mktemp("portal")
    prefix = f"e2e_{secrets.token_hex(4)}"
    forget_topics()
    running = RunningPortal(
        state=folder / "state",
        # Below the internal ports that the launcher picks, and those of outgoing connections.
        port=next(port for port in random.sample(range(15_000, 20_000), 5_000) if is_free(port)),
        output=folder / "launcher.log",
        bootstrap_servers=kafka,
        database_urls=beside(make_databases(server, prefix)),
    )
    try:
        running.start()
        yield running
        running.stop()
    finally:
        if running.process is not None and not running.has_ended():
            running.process.terminate()
            running.process.wait(60)
        beside(drop_databases(server, prefix))
        forget_topics()


@pytest.fixture(scope="session")
def address(request: pytest.FixtureRequest) -> Address:
    """Give the portal's addresses to tests that need no more of it."""
    if "PORTAL_URL" in os.environ:
        return Address(os.environ["PORTAL_URL"].rstrip("/"))
    # Not as an argument: whoever asks for the address does not ask for the processes.
    own: RunningPortal = request.getfixturevalue("portal")
    return Address(own.url, own)


@pytest.fixture
async def arrive(address: Address, typed: Typed) -> AsyncIterator[Arrive]:
    """Open browsers; they are closed after the test."""
    async with AsyncExitStack() as open_browsers:

        def open_browser() -> Browser:
            browser = Browser(address.url, typed)
            open_browsers.push_async_callback(browser.aclose)
            return browser

        yield open_browser


@pytest.fixture
def visitor(arrive: Arrive) -> Browser:
    """Open a browser that nobody has signed in with."""
    return arrive()


@pytest.fixture
def sign_up(arrive: Arrive, typed: Typed) -> SignUp:
    """Create accounts, each with a browser that is signed in."""

    async def sign_up_one() -> Patient:
        browser, person = arrive(), typed.person()
        opened = await browser.open_account(person)
        assert opened.status_code == 201, opened.text
        me = (await browser.get("/api/me")).json()
        return Patient(person, browser, me["patientId"])

    return sign_up_one


@pytest.fixture
async def patient(sign_up: SignUp) -> Patient:
    """Create an account of one's own for the test."""
    return await sign_up()


@pytest.fixture
async def known_patient(patient: Patient) -> Patient:
    """Wait until booking holds the patient's key: without it a reason is answered 503, to be sent again."""
    browser = patient.browser
    wanted: dict[str, str | int] = {
        "serviceId": (await browser.services())["Internist"],
        "from": tomorrow(),
        "limit": 1,
    }
    [slot] = (await browser.get("/api/slots", params=wanted)).json()["items"]

    async def has_key() -> bool:
        # By a hold that never was nothing is booked, and that is found out after the key.
        answer = await browser.book(slot["slotId"], holdId=str(uuid.uuid4()), reason="Ból głowy")
        return code_of(answer) == "hold-expired"

    await eventually(has_key, "booking has the key")
    return patient


@pytest.fixture
async def bystander(arrive: Arrive, session_cookies: dict[str, str], sign_up: SignUp) -> Browser:
    """Sign in with one account for all who only look, or send what is refused: creating one costs more."""
    if "bystander" not in session_cookies:
        session_cookies["bystander"] = (await sign_up()).browser.cookies["portal"]
    browser = arrive()
    browser.cookies.set("portal", session_cookies["bystander"])
    return browser


@pytest.fixture
def slots_soon(portal: RunningPortal, bystander: Browser) -> SlotsSoon:
    """Open visits today, of a doctor of one's own; what today has no room for begins at midnight."""

    async def open_slots(number: int = 1, ahead: timedelta = timedelta(minutes=30)) -> list[dict[str, Any]]:
        doctor_id = await open_soon(portal, number, ahead)

        async def offered() -> list[dict[str, Any]] | None:
            found = await bystander.items("/api/slots", serviceId=str(SERVICE_ID), doctorId=doctor_id)
            return found if len(found) == number else None

        return await eventually(offered, "the doctor's visits are offered")

    return open_slots


@pytest.fixture
async def full_patient(address: Address, arrive: Arrive, session_cookies: dict[str, str]) -> Browser:
    """Sign in with the demo's account of the full level, which has a history."""
    browser = arrive()
    if "full" in session_cookies:
        browser.cookies.set("portal", session_cookies["full"])
        return browser
    demo = json.loads(address.demo.read_text())
    account = next(p for p in demo["patients"] if p["email"].startswith("maria.kowalska@"))
    assert account["level"] == "full"
    assert (await browser.sign_in(account["email"], account["password"])).status_code == 201
    session_cookies["full"] = browser.cookies["portal"]
    return browser


@pytest.fixture(scope="session")
def session_cookies() -> dict[str, str]:
    """Keep the cookies of sessions that several tests share."""
    return {}


def environment(name: str) -> str:
    """Read what the tests of a given portal are told of it."""
    value = os.environ.get(name)
    if value is None:
        pytest.fail(f"{name} is not set; see docs/operations.md", pytrace=False)
    return value


def beside(job: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in a loop of another thread: the tests' own loops stay theirs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, job).result()


async def make_databases(server: str, prefix: str) -> dict[str, str]:
    """Make a database and its owner for each service; return their addresses."""
    addresses = {}
    connection = await asyncpg.connect(server)
    try:
        for service in SERVICES:
            name, password = f"{prefix}_{service}", secrets.token_hex(16)
            await connection.execute(f"create role {name} login password '{password}'")
            await connection.execute(f"create database {name} owner {name}")
            parts = urlsplit(server)
            place = f"{name}:{password}@{parts.hostname}:{parts.port}"
            addresses[service] = urlunsplit(parts._replace(netloc=place, path=f"/{name}"))
    finally:
        await connection.close()
    return addresses


async def drop_databases(server: str, prefix: str) -> None:
    """Remove what make_databases made."""
    connection = await asyncpg.connect(server)
    try:
        for service in SERVICES:
            await connection.execute(f"drop database if exists {prefix}_{service} with (force)")
            await connection.execute(f"drop role if exists {prefix}_{service}")
    finally:
        await connection.close()
