"""Which parts of a portal can stand alone here: a gateway with nothing behind it, a service with no state?"""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from starlette.datastructures import State

from booking.app import build_app
from gateway.app import make_app
from gateway.edge.session import Session
from gateway.settings import GatewaySettings
from identity.app import rooms
from portal_chassis.access import Caller, TokenSigner, TokenVerifier
from portal_chassis.testing import with_own_state

ME = UUID("0193588a-7a00-7000-8000-000000000001")
"""The caller's account and patient, and every id that a path asks for."""

COOKIE = {"Cookie": f"portal={'x' * 43}"}
CSRF = {"X-Portal-CSRF": "1"}
SERVICES: Mapping[str, Callable[[], FastAPI]] = {"booking": build_app, "identity": rooms}


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make every key file that a process could ask for."""
    folder = tmp_path_factory.mktemp("keys")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "private.pem").write_bytes(private)
    (folder / "public.pem").write_bytes(public)
    for name in ("wrap", "request", "uniqueness"):
        (folder / name).write_text(base64.urlsafe_b64encode(os.urandom(32)).decode())
    return folder


def environment(keys: Path, **more: str) -> dict[str, str]:
    """Tell a process all that one could want to know; nothing of it answers."""
    return {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "HTTP_PORT": "1",
        "GATEWAY_SIGNING_KEY_FILE": str(keys / "private.pem"),
        "GATEWAY_PUBLIC_KEY_FILE": str(keys / "public.pem"),
        "KEY_ENCRYPTION_KEY_FILE": str(keys / "wrap"),
        "REQUEST_KEY_FILE": str(keys / "request"),
        "UNIQUENESS_KEY_FILE": str(keys / "uniqueness"),
        "BOOKING_URL": f"http://127.0.0.1:{unused_port()}",
        "IDENTITY_URL": f"http://127.0.0.1:{unused_port()}",
        "PUBLIC_URL": "http://127.0.0.1:8080",
        "SMTP_URL": "smtp://127.0.0.1:1",
        "MAIL_FROM": "no-reply@zdrovia.example",
        **more,
    }


def token(keys: Path, audience: str, patient_id: UUID | None = ME) -> Mapping[str, str]:
    """Return the header by which the gateway tells a service who asks."""
    caller = Caller(ME, patient_id, ("patient",), {})
    signed = TokenSigner(keys / "private.pem").sign(caller, audience=audience, now=datetime.now(UTC))
    return {"Authorization": f"Bearer {signed}"}


class OneSession:
    """Sessions without a table: whoever comes with a cookie is `ME`."""

    def __init__(self, patient_id: UUID | None) -> None:
        now = datetime.now(UTC)
        self._session = Session(b"", ME, ME, patient_id, ("patient",), now, now)

    async def find(self, token: str | None) -> Session | None:
        return None if token is None else self._session


@dataclass(frozen=True)
class Gateway:
    """The gateway's app, whose database does not answer, and a client of it."""

    app: FastAPI
    client: httpx.AsyncClient

    def believe(self, patient_id: UUID | None = ME) -> None:
        """Take every cookie for a session of `ME`, without looking into the database."""
        self.app.state.sessions = OneSession(patient_id)


def _gateway_app(keys: Path, services: str | None) -> FastAPI:
    told = {} if services is None else {"BOOKING_URL": services, "IDENTITY_URL": services}
    return make_app(GatewaySettings.from_environment(environment(keys, **told)))


@asynccontextmanager
async def gateway_before(keys: Path, services: str | None) -> AsyncIterator[Gateway]:
    """Run a gateway before services at this address; None: where nobody listens."""
    app = with_own_state(_gateway_app, keys, services)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:8080") as client,
    ):
        yield Gateway(app, client)


@pytest.fixture
async def gateway(keys: Path) -> AsyncIterator[Gateway]:
    """Run a gateway that is alone in the world."""
    async with gateway_before(keys, None) as alone:
        yield alone


@pytest.fixture
async def gateway_before_nonsense(keys: Path) -> AsyncIterator[Gateway]:
    """Run a gateway before services that answer what is no answer."""

    async def nonsense(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500, text="<h1>It works!</h1>", content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", nonsense)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(TestServer(app))
        yield await stack.enter_async_context(gateway_before(keys, str(server.make_url("")).rstrip("/")))


class NothingBehind(State):
    """An app's state in which everything that is asked for is there, and must not be used."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return object()


@dataclass(frozen=True)
class Services:
    """Both services' apps on no state at all: they can refuse, and do nothing else."""

    clients: Mapping[str, httpx.AsyncClient]
    keys: Path


@pytest.fixture
async def services(keys: Path) -> AsyncIterator[Services]:
    async with AsyncExitStack() as stack:
        clients = {}
        for name, make in SERVICES.items():
            app = with_own_state(make)
            app.state = NothingBehind(app.state._state)
            app.state.token_verifier = TokenVerifier(keys / "public.pem", name)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            clients[name] = await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url=f"http://{name}")
            )
        yield Services(clients, keys)
