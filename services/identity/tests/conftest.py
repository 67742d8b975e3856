"""What stands in for identity's surroundings in its tests?"""

import base64
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from identity.__main__ import SERVICE
from identity.accounts import Accounts
from identity.app import Parts, rooms, wire
from identity.credentials import PostgresCredentials
from identity.data_keys import PostgresDataKeys
from identity.limits import Attempts, Limits, PostgresAttempts
from identity.links import PostgresLinks
from identity.mail_orders import PostgresMailOrders
from identity.password_changes import PasswordChanges
from identity.passwords import Passwords
from identity.send_mail.mailer import Mailer
from identity.send_mail.message import Letterhead
from portal_chassis.access import Caller, TokenSigner, TokenVerifier
from portal_chassis.idempotency import RequestKeys
from portal_chassis.migrate import migrate
from portal_chassis.testing import with_own_state
from portal_events.blind import BlindIndex
from portal_events.keys import FileKeyWrap
from portal_eventstore.execute import Decider
from portal_eventstore.keys.issue_keys import KeyPublisher
from portal_eventstore.memory import MemoryStore
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.testing.lending import Lender
from portal_eventstore.testing.planting import plant_named

from .doubles import (
    MemoryAttempts,
    MemoryCredentials,
    MemoryDataKeys,
    MemoryLinks,
    MemoryMailOrders,
    Postbox,
)

PUBLIC_URL = "https://portal.example"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FORM = {
    "email": "Jan.Kowalski@example.org",
    "password": "zielony parasol na dachu",
    "givenName": "Jan",
    "familyName": "Kowalski",
    "pesel": "44051401359",
    "phone": "+48600100200",
    "language": "pl",
    "consents": {"regulations": True, "privacy": True},
}


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def on(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)


@dataclass
class Identity:
    """An identity service in this process, and what a test may look at behind it."""

    client: httpx.AsyncClient
    parts: Parts
    signer: TokenSigner
    credential_rows: Callable[[], Any]
    key_rows: Callable[[], Any]
    clock: Clock
    wire: Callable[[Parts], None]
    attempts: Attempts
    postbox: Postbox = field(default_factory=Postbox)
    form: dict[str, Any] = field(default_factory=lambda: dict(FORM))

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.parts.store, self.parts.blind_index)

    @property
    def mailer(self) -> Mailer:
        return Mailer(
            store=self.parts.store,
            accounts=self.accounts,
            data_keys=self.parts.data_keys,
            orders=self.parts.mail_orders,
            links=self.parts.links,
            letterhead=Letterhead(Address("Zdrovia", addr_spec="no-reply@zdrovia.example"), PUBLIC_URL),
            post=self.postbox,
        )

    @property
    def changes(self) -> PasswordChanges:
        parts = self.parts
        return PasswordChanges(self.accounts, parts.decider, parts.credentials, parts.request_keys)

    async def mails(self) -> list[EmailMessage]:
        """Send what is due and return what was sent since the last time."""
        await self.mailer.work(self.clock.now)
        sent, self.postbox.mails = self.postbox.mails, []
        return sent

    async def post(
        self, path: str, body: Any = None, *, caller: str | None = None, client: str | None = None
    ) -> httpx.Response:
        return await self.send("POST", path, body, caller=caller, client=client)

    async def send(
        self, method: str, path: str, body: Any, *, caller: str | None = None, client: str | None = None
    ) -> httpx.Response:
        headers = self.bearer(caller) if caller else {}
        if client is not None:
            headers["portal-client-address"] = client
        return await self.client.request(method, path, json=body, headers=headers)

    async def open(self, key: str = "k", **changes: Any) -> httpx.Response:
        body = {name: value for name, value in {**self.form, **changes}.items() if value is not None}
        return await self.client.post("/accounts", json=body, headers={"Idempotency-Key": key})

    async def sign_in(self, email: str, password: str, client: str | None = None) -> httpx.Response:
        return await self.post("/sign-ins", {"email": email, "password": password}, client=client)

    def bearer(self, caller: str, audience: str = "identity") -> dict[str, str]:
        who = Caller(UUID(caller), None, ("patient",), {})
        return {"Authorization": f"Bearer {self.signer.sign(who, audience=audience, now=self.clock.now)}"}

    async def account(self, account_id: str, caller: str, *, audience: str = "identity") -> httpx.Response:
        return await self.client.get(f"/accounts/{account_id}", headers=self.bearer(caller, audience))


def token_of(mail: EmailMessage) -> str:
    """Return the token that a mail's link ends in."""
    [token] = re.findall(rf"{PUBLIC_URL}/[a-z-]+#(\S+)", text_of(mail))
    return str(token)


def text_of(mail: EmailMessage) -> str:
    """Return what a mail says."""
    text: str = mail.get_content()
    return text


def pytest_configure() -> None:
    """Plant the bug that `./portal test --mutants` names, so that a test must fail."""
    plant_named(Path(__file__).parent)


def write_key(path: Path) -> Path:
    path.write_text(base64.urlsafe_b64encode(os.urandom(32)).decode())
    return path


@pytest.fixture
def signer_and_verifier(tmp_path: Path) -> tuple[TokenSigner, TokenVerifier]:
    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "gateway.pem", tmp_path / "gateway.pub.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return TokenSigner(private), TokenVerifier(public, "identity")


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(memory_kib=8, passes=1)


@pytest.fixture
async def identity(
    tmp_path: Path, passwords: Passwords, signer_and_verifier: tuple[TokenSigner, TokenVerifier]
) -> AsyncIterator[Identity]:
    store, data_keys, links = MemoryStore("identity"), MemoryDataKeys(), MemoryLinks()
    credentials, attempts, clock = MemoryCredentials(links), MemoryAttempts(), Clock()
    blind_index = BlindIndex(write_key(tmp_path / "uniqueness"))
    parts = Parts(
        store=store,
        decider=Decider(store),
        credentials=credentials,
        data_keys=data_keys,
        blind_index=blind_index,
        request_keys=RequestKeys(write_key(tmp_path / "request")),
        passwords=passwords,
        token_verifier=signer_and_verifier[1],
        links=links,
        mail_orders=MemoryMailOrders(),
        limits=Limits(attempts, blind_index),
    )
    app = with_own_state(rooms)
    app.state.clock = clock
    wire(app, parts)

    async def credential_rows() -> set[UUID]:
        return set(credentials.rows)

    async def key_rows() -> set[UUID]:
        return set(data_keys.rows)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://identity"
    ) as client:
        yield Identity(
            client,
            parts,
            signer_and_verifier[0],
            credential_rows,
            key_rows,
            clock,
            wire=lambda changed: wire(app, changed),
            attempts=attempts,
        )
    passwords.close()


async def make_tables(database_url: str) -> None:
    await migrate(database_url, *SERVICE.migrations)


@pytest_asyncio.fixture(loop_scope="session")
async def identity_url(lender: Lender) -> AsyncIterator[str]:
    async with lender.lent(make_tables) as url:
        yield url


@pytest.fixture
async def connected_identity(
    tmp_path: Path,
    identity_url: str,
    passwords: Passwords,
    signer_and_verifier: tuple[TokenSigner, TokenVerifier],
) -> AsyncIterator[Identity]:
    wrap = FileKeyWrap(write_key(tmp_path / "kek"))
    store = await PostgresStore.connect(identity_url, "identity")
    pool = await asyncpg.create_pool(identity_url, min_size=1, max_size=4)
    publisher = KeyPublisher(identity_url, wrap, "127.0.0.1:1")
    blind_index = BlindIndex(write_key(tmp_path / "uniqueness"))
    attempts, clock = PostgresAttempts(pool), Clock()
    parts = Parts(
        store=store,
        decider=Decider(store),
        credentials=PostgresCredentials(pool),
        data_keys=PostgresDataKeys(pool, wrap, publisher),
        blind_index=blind_index,
        request_keys=RequestKeys(write_key(tmp_path / "request")),
        passwords=passwords,
        token_verifier=signer_and_verifier[1],
        links=PostgresLinks(pool),
        mail_orders=PostgresMailOrders(pool),
        limits=Limits(attempts, blind_index),
    )
    app = with_own_state(rooms)
    app.state.clock = clock
    wire(app, parts)

    async def credential_rows() -> set[UUID]:
        return {row["account_id"] for row in await pool.fetch("select account_id from credential")}

    async def key_rows() -> set[UUID]:
        return {row["patient_id"] for row in await pool.fetch("select patient_id from issued_key")}

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://identity"
    ) as client:
        yield Identity(
            client,
            parts,
            signer_and_verifier[0],
            credential_rows,
            key_rows,
            clock,
            wire=lambda changed: wire(app, changed),
            attempts=attempts,
        )
    await parts.decider.close()
    await store.close()
    await pool.close()
    passwords.close()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.connected)])
def anywhere(request: pytest.FixtureRequest) -> Identity:
    """Run the test on memory, and once more on PostgreSQL."""
    name = "identity" if request.param == "memory" else "connected_identity"
    found: Identity = request.getfixturevalue(name)
    return found
