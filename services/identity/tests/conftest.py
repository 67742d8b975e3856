"""What stands in for identity's surroundings in its tests?"""

import base64
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from identity.__main__ import SERVICE
from identity.app import Parts, rooms, wire
from identity.credentials import PostgresCredentials
from identity.data_keys import PostgresDataKeys
from identity.passwords import Passwords
from portal_chassis.access import Caller, TokenSigner, TokenVerifier
from portal_chassis.idempotency import RequestKeys
from portal_chassis.migrate import migrate
from portal_events.blind import BlindIndex
from portal_events.keys import FileKeyWrap, new_data_key
from portal_eventstore.execute import Decider
from portal_eventstore.issue_keys import KeyPublisher
from portal_eventstore.memory import MemoryStore
from portal_eventstore.postgres import PostgresStore

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


class MemoryCredentials:
    def __init__(self) -> None:
        self.rows: dict[UUID, str] = {}

    async def add(self, account_id: UUID, password_hash: str, now: datetime) -> None:
        del now
        self.rows[account_id] = password_hash

    async def remove(self, account_id: UUID) -> None:
        self.rows.pop(account_id, None)

    async def password_hash(self, account_id: UUID) -> str | None:
        return self.rows.get(account_id)

    async def replace(self, account_id: UUID, old: str, new: str, now: datetime) -> None:
        del now
        if self.rows.get(account_id) == old:
            self.rows[account_id] = new


class MemoryDataKeys:
    def __init__(self) -> None:
        self.rows: dict[UUID, bytes] = {}

    async def issue(self, patient_id: UUID) -> bytes:
        return self.rows.setdefault(patient_id, new_data_key())

    async def remove(self, patient_id: UUID) -> None:
        self.rows.pop(patient_id, None)

    async def key(self, patient_id: UUID) -> bytes | None:
        return self.rows.get(patient_id)


@dataclass
class Identity:
    """An identity service in this process, and what a test may look at behind it."""

    client: httpx.AsyncClient
    parts: Parts
    signer: TokenSigner
    credential_rows: Callable[[], Any]
    key_rows: Callable[[], Any]
    form: dict[str, Any] = field(default_factory=lambda: dict(FORM))
    wire: Callable[[Parts], Any] = lambda _: None

    async def open(self, key: str = "k", **changes: Any) -> httpx.Response:
        body = {name: value for name, value in {**self.form, **changes}.items() if value is not None}
        return await self.client.post("/accounts", json=body, headers={"Idempotency-Key": key})

    async def sign_in(self, email: str, password: str) -> httpx.Response:
        return await self.client.post("/sign-ins", json={"email": email, "password": password})

    async def account(self, account_id: str, caller: str, *, audience: str = "identity") -> httpx.Response:
        who = Caller(UUID(caller), None, ("patient",), {})
        token = self.signer.sign(who, audience=audience, now=NOW)
        return await self.client.get(f"/accounts/{account_id}", headers={"Authorization": f"Bearer {token}"})


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
    store, credentials, data_keys = MemoryStore("identity"), MemoryCredentials(), MemoryDataKeys()
    parts = Parts(
        store=store,
        decider=Decider(store),
        credentials=credentials,
        data_keys=data_keys,
        blind_index=BlindIndex(write_key(tmp_path / "uniqueness")),
        request_keys=RequestKeys(write_key(tmp_path / "request")),
        passwords=passwords,
        token_verifier=signer_and_verifier[1],
    )
    app = rooms(clock=lambda: NOW)
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
            wire=lambda changed: wire(app, changed),
        )
    passwords.close()


@pytest.fixture
async def connected_identity(
    tmp_path: Path,
    database_url: str,
    passwords: Passwords,
    signer_and_verifier: tuple[TokenSigner, TokenVerifier],
) -> AsyncIterator[Identity]:
    await migrate(database_url, *SERVICE.migrations)
    wrap = FileKeyWrap(write_key(tmp_path / "kek"))
    store = await PostgresStore.connect(database_url, "identity")
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=4)
    publisher = KeyPublisher(database_url, wrap, "127.0.0.1:1")
    parts = Parts(
        store=store,
        decider=Decider(store),
        credentials=PostgresCredentials(pool),
        data_keys=PostgresDataKeys(pool, wrap, publisher),
        blind_index=BlindIndex(write_key(tmp_path / "uniqueness")),
        request_keys=RequestKeys(write_key(tmp_path / "request")),
        passwords=passwords,
        token_verifier=signer_and_verifier[1],
    )
    app = rooms(clock=lambda: NOW)
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
            wire=lambda changed: wire(app, changed),
        )
    await parts.decider.close()
    await store.close()
    await pool.close()
    passwords.close()
