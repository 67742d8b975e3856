"""Does seeding fill an empty portal once, and go on where it was interrupted?"""

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import identity.__main__
import portal_demo.seed
from identity.accounts import Accounts
from identity.app import connected
from identity.settings import IdentitySettings
from identity.sign_in.check import SignIn
from portal_chassis.migrate import migrate
from portal_demo.seed import is_empty, seed
from portal_events.booking import AppointmentBooked
from portal_eventstore.postgres import MIGRATIONS, PostgresStore

pytestmark = pytest.mark.connected

NOW = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Make the keys that the launcher makes."""
    for name in ("key-encryption-key", "uniqueness-key", "request-key-identity"):
        (tmp_path / name).write_text(base64.urlsafe_b64encode(os.urandom(32)).decode())
    public = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "gateway-public-key.pem").write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return tmp_path


@pytest.fixture
async def database_urls(database_url: str) -> dict[str, str]:
    """Give a database to each service, with its tables."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(database_url)
    await connection.execute(f'create database "{name}"')
    await connection.close()
    urls = {"booking": database_url, "identity": urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))}
    await migrate(urls["booking"], (MIGRATIONS, "event_store_migration"))
    await migrate(urls["identity"], *identity.__main__.SERVICE.migrations)
    return urls


async def heads(database_urls: dict[str, str]) -> list[int]:
    found = []
    for owner, url in database_urls.items():
        store = await PostgresStore.connect(url, owner)
        found.append(await store.head())
        await store.close()
    return found


async def test_given_an_empty_portal_when_seeded_twice_then_the_second_adds_nothing(
    database_urls: dict[str, str], secrets: Path
) -> None:
    assert await is_empty(database_urls)
    people = await seed(now=NOW, database_urls=database_urls, secrets=secrets)
    assert not await is_empty(database_urls)
    after_first = await heads(database_urls)
    assert after_first == [8 + 6 + 12 + 120 + 2, 6]

    later = NOW + timedelta(days=40)
    assert await seed(now=later, database_urls=database_urls, secrets=secrets) == people
    assert await heads(database_urls) == after_first

    assert (secrets / "demo-passwords").stat().st_mode & 0o777 == 0o600
    assert {p["level"] for p in people["patients"]} == {"basic"}
    assert len({p["password"] for p in people["patients"]}) == 3
    assert (people["staff"], people["banks"]) == ([], [])


async def test_given_a_seed_that_broke_off_when_seeded_again_then_it_is_finished(
    database_urls: dict[str, str], secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_off(*_: object) -> list[object]:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(portal_demo.seed, "_open_accounts", break_off)
        with pytest.raises(KeyboardInterrupt):
            await seed(now=NOW, database_urls=database_urls, secrets=secrets)
    assert await is_empty(database_urls)
    await seed(now=NOW + timedelta(hours=1), database_urls=database_urls, secrets=secrets)
    assert not await is_empty(database_urls)
    assert await heads(database_urls) == [8 + 6 + 12 + 120 + 2, 6]


async def test_given_the_seed_when_a_patient_signs_in_then_the_bookings_are_theirs(
    database_urls: dict[str, str], secrets: Path
) -> None:
    people = await seed(now=NOW, database_urls=database_urls, secrets=secrets)
    settings = IdentitySettings(
        database_url=database_urls["identity"],
        kafka_bootstrap_servers="",
        http_port=0,
        key_encryption_key_file=secrets / "key-encryption-key",
        uniqueness_key_file=secrets / "uniqueness-key",
        request_key_file=secrets / "request-key-identity",
        gateway_public_key_file=secrets / "gateway-public-key.pem",
    )
    maria = people["patients"][0]
    async with connected(settings) as parts:
        sign_in = SignIn(Accounts(parts.store, parts.blind_index), parts.credentials, parts.passwords)
        account = await sign_in.check(maria["email"], maria["password"], now=NOW)
    store = await PostgresStore.connect(database_urls["booking"], "booking")
    booked = [event.decode() for event in (await store.tail(0, 1000))[-2:]]
    await store.close()
    assert [e.patient_id for e in booked if isinstance(e, AppointmentBooked)] == [account.patient_id] * 2
    assert all(e.starts_at > NOW + timedelta(days=2) for e in booked if isinstance(e, AppointmentBooked))
