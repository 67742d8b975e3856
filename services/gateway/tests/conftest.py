"""Between which services, clock and sessions does a gateway under test stand?"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from gateway.app import dressed
from gateway.edge.open_sessions import OpenSessions
from gateway.edge.session import Session
from gateway.settings import GatewaySettings
from gateway.timeline.project import TIMELINE
from gateway.unavailable import ServiceUnavailable
from gateway.upstream import Upstream, pooled_client
from portal_chassis.access import TokenSigner, TokenVerifier
from portal_chassis.app import create_app
from portal_chassis.testing import with_own_state
from portal_eventstore.freshness import Freshness
from portal_eventstore.testing.lending import Lender
from portal_eventstore.testing.planting import plant_named

from .visits import make_tables

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CSRF = {"X-Portal-CSRF": "1"}


def pytest_configure() -> None:
    """Plant the bug that `./portal test --mutants` names, so that a test must fail."""
    plant_named(Path(__file__).parent)


class SetClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


class MemoryRows:
    """Sessions as the table keeps them, and a switch that makes the table not answer."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Session] = {}
        self.away = False

    def _answer(self) -> None:
        if self.away:
            raise ServiceUnavailable

    async def add(self, session: Session, *, instead_of: bytes | None) -> None:
        self._answer()
        self.rows.pop(instead_of or b"", None)
        self.rows[session.digest] = session

    async def find(self, digest: bytes) -> Session | None:
        self._answer()
        return self.rows.get(digest)

    async def remove(self, digest: bytes) -> None:
        self._answer()
        self.rows.pop(digest, None)

    async def of_account(self, account_id: UUID) -> list[Session]:
        self._answer()
        theirs = [s for s in self.rows.values() if s.account_id == account_id]
        return sorted(theirs, key=lambda s: (s.created_at, s.id), reverse=True)

    async def remove_own(self, session_id: UUID, account_id: UUID) -> bytes | None:
        for session in await self.of_account(account_id):
            if session.id == session_id:
                del self.rows[session.digest]
                return session.digest
        return None

    async def remove_all(self, account_id: UUID) -> None:
        for session in await self.of_account(account_id):
            del self.rows[session.digest]

    async def replace_all(self, session: Session) -> None:
        await self.remove_all(session.account_id)
        self.rows[session.digest] = session

    async def touch(self, seen: Mapping[bytes, datetime]) -> None:
        self._answer()
        for digest, at in seen.items():
            if digest in self.rows:
                self.rows[digest] = replace(self.rows[digest], seen_at=at)

    async def sweep(self, *, created_before: datetime, seen_before: datetime) -> None:
        self._answer()
        self.rows = {
            d: s for d, s in self.rows.items() if s.created_at >= created_before and s.seen_at >= seen_before
        }


@dataclass(frozen=True)
class Seen:
    """A request as a service got it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class FakeService:
    """A real HTTP server that answers as a test says."""

    seen: list[Seen] = field(default_factory=list)
    answer: Callable[[Seen], Awaitable[web.StreamResponse]] | None = None
    url: str = ""

    def says(self, body: Any = None, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        async def answer(_: Seen) -> web.StreamResponse:
            return web.json_response(body, status=status, headers=headers)

        self.answer = answer

    def refuses(self, code: str, status: int, instance: str = "/x", **headers: str) -> None:
        async def answer(_: Seen) -> web.StreamResponse:
            problem = {"type": f"/problems/{code}", "title": code, "status": status, "instance": instance}
            told = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.json_response(
                problem, status=status, headers=told, content_type="application/problem+json"
            )

        self.answer = answer

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = Seen(request.method, request.raw_path, request.headers.copy(), await request.read())
        self.seen.append(seen)
        if self.answer is None:
            return web.json_response({}, status=200)
        return await self.answer(seen)


@dataclass(frozen=True)
class Portal:
    """A gateway, what stands around it, and a browser."""

    app: FastAPI
    browser: httpx.AsyncClient
    clock: SetClock
    rows: MemoryRows
    identity: FakeService
    booking: FakeService
    verifier: TokenVerifier
    settings: GatewaySettings
    csrf: Mapping[str, str] = field(default_factory=lambda: dict(CSRF))

    def another_browser(self, **options: Any) -> httpx.AsyncClient:
        """Return a browser without cookies of the first; options are the transport's."""
        transport = httpx.ASGITransport(app=self.app, **options)
        return httpx.AsyncClient(transport=transport, base_url=self.settings.public_url)

    async def sign_in(
        self,
        patient_id: UUID | None = None,
        cookie: bytes | None = None,
        account_id: UUID | None = None,
        browser: httpx.AsyncClient | None = None,
    ) -> UUID:
        """Sign the browser in, or another one, and return the account's id."""
        account_id = account_id or uuid4()
        self.identity.says(
            {
                "accountId": str(account_id),
                "patientId": str(patient_id or uuid4()),
                "level": "basic",
                "roles": [],
            }
        )
        body = {"email": "anna@example.com", "password": "a long password"}
        headers = [(name.encode(), value.encode()) for name, value in CSRF.items()]
        if cookie is not None:
            headers.append((b"Cookie", cookie))
        response = await (browser or self.browser).post("/api/sessions", json=body, headers=headers)
        assert response.status_code == 201, response.text
        return account_id


def settings_in(folder: Path, **changed: str) -> GatewaySettings:
    """Return settings with a fresh key; its public half stands beside it."""
    _write_keys(folder)
    return _settings_with(folder, **changed)


def _app(public_url: str) -> FastAPI:
    """Make the gateway's app at an address; the rest of its settings is of no account to it."""
    return dressed(create_app("gateway"), _settings_with(Path(), PUBLIC_URL=public_url))


def _write_keys(folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "gateway.pem").write_bytes(private)
    (folder / "gateway.pub.pem").write_bytes(public)


def _settings_with(folder: Path, **changed: str) -> GatewaySettings:
    told = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/gateway",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "HTTP_PORT": "8080",
        "GATEWAY_SIGNING_KEY_FILE": str(folder / "gateway.pem"),
        "BOOKING_URL": "http://127.0.0.1:1",
        "IDENTITY_URL": "http://127.0.0.1:1",
        "PUBLIC_URL": "http://127.0.0.1:8080",
    }
    return GatewaySettings.from_environment(told | changed)


MakeSettings = Callable[..., GatewaySettings]
MakePortal = Callable[..., Awaitable[Portal]]


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    return lambda **changed: settings_in(tmp_path, **changed)


@pytest.fixture
async def make_portal(tmp_path: Path) -> AsyncIterator[MakePortal]:
    async with AsyncExitStack() as stack:

        async def make(**changed: str) -> Portal:
            return await stack.enter_async_context(_portal(settings_in(tmp_path, **changed), tmp_path))

        yield make


@pytest.fixture
async def portal(make_portal: MakePortal) -> Portal:
    return await make_portal()


@pytest_asyncio.fixture(loop_scope="session")
async def gateway_url(lender: Lender) -> AsyncIterator[str]:
    """Give the address of a database with the gateway's tables and views, all empty."""
    async with lender.lent(make_tables) as url:
        yield url


@asynccontextmanager
async def _portal(settings: GatewaySettings, folder: Path) -> AsyncIterator[Portal]:
    identity, booking = FakeService(), FakeService()
    async with AsyncExitStack() as stack:
        for service in (identity, booking):
            service.url = await stack.enter_async_context(_serving(service))
        http = await stack.enter_async_context(pooled_client())
        signer = TokenSigner(settings.gateway_signing_key_file)
        clock, rows = SetClock(), MemoryRows()
        app = with_own_state(_app, settings.public_url)
        app.state.clock = clock
        app.state.sessions = OpenSessions(rows, clock)
        app.state.freshness = Freshness(None, {TIMELINE.view: TIMELINE.topics})
        app.state.upstreams = {
            "identity": Upstream("identity", identity.url, http, signer),
            "booking": Upstream("booking", booking.url, http, signer),
        }
        browser = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=settings.public_url)
        )
        verifier = TokenVerifier(folder / "gateway.pub.pem", "booking")
        yield Portal(app, browser, clock, rows, identity, booking, verifier, settings)


@asynccontextmanager
async def _serving(service: FakeService) -> AsyncIterator[str]:
    async with RawTestServer(service.handle) as server:
        yield str(server.make_url("")).rstrip("/")
