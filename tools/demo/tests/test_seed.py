"""Does seeding fill an empty portal once, and go on where it was interrupted?"""

import base64
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import identity.__main__
import portal_demo.seed
from booking.add_doctor.decide import ADD_DOCTOR
from identity.accounts import Accounts
from portal_chassis.migrate import migrate
from portal_demo.doctors import doctors
from portal_demo.history import SCALES, Scale, history
from portal_demo.people import NETWORK_AGE
from portal_demo.registry import DESK, identity_parts
from portal_demo.seed import is_empty, seed
from portal_events.booking import AppointmentBooked
from portal_events.identity import Role
from portal_eventstore.command import Context
from portal_eventstore.decision import about
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.store import Query
from portal_eventstore.testing.kafka_log import migrate as make_store_tables
from portal_eventstore.testing.lending import Lender

pytestmark = pytest.mark.connected

NOW = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
FIRST = date(2026, 11, 20)


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    """Let few people come: only the days that the scripted visits need are opened."""
    with pytest.MonkeyPatch.context() as patched:
        scale = Scale(people=40, past_visits=40, past_days=5, planned_visits=40, open_days=14)
        patched.setitem(SCALES, "small", scale)
        yield


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the keys that the launcher makes."""
    folder = tmp_path_factory.mktemp("secrets")
    for name in ("key-encryption-key", "uniqueness-key", "request-key-identity"):
        (folder / name).write_text(base64.urlsafe_b64encode(os.urandom(32)).decode())
    public = Ed25519PrivateKey.generate().public_key()
    (folder / "gateway-public-key.pem").write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return folder


async def make_identity_tables(database_url: str) -> None:
    await migrate(database_url, *identity.__main__.SERVICE.migrations)


@asynccontextmanager
async def lent(lender: Lender) -> AsyncIterator[dict[str, str]]:
    """Give an empty database to each service, with its tables."""
    async with lender.lent(make_store_tables) as booking, lender.lent(make_identity_tables) as identity:
        yield {"booking": booking, "identity": identity}


@pytest_asyncio.fixture(loop_scope="session")
async def database_urls(lender: Lender) -> AsyncIterator[dict[str, str]]:
    async with lent(lender) as urls:
        yield urls


@dataclass(frozen=True)
class Seeded:
    """A network that was seeded once, and is only read."""

    database_urls: Mapping[str, str]
    people: dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def seeded(lender: Lender, secrets: Path) -> AsyncIterator[Seeded]:
    async with lent(lender) as urls:
        yield Seeded(urls, await seed(now=NOW, database_urls=urls, secrets=secrets))


async def counts(database_urls: Mapping[str, str]) -> Counter[str]:
    """Return how many events there are of each type."""
    found: Counter[str] = Counter()
    for url in database_urls.values():
        connection = await asyncpg.connect(url)
        found.update(dict(await connection.fetch("select type, count(*) from event group by type")))
        await connection.close()
    return found


def expected() -> Counter[str]:
    """Return how many events there are when everything that was made up has happened."""
    past = history(FIRST, SCALES["small"])
    return Counter(
        {
            "ServiceAdded": 40,
            "FacilityAdded": 8,
            "DoctorAdded": 70,
            "DoctorDayOpened": len(past.days),
            "AppointmentBooked": len(past.bookings),
            "AppointmentMoved": sum(booking.moved_at is not None for booking in past.bookings),
            "AppointmentCancelled": sum(booking.cancelled_at is not None for booking in past.bookings),
            "PatientRegistered": len(past.accounts) + len(past.people),
            "AccountCreated": len(past.accounts),
            "EmailConfirmed": 5,
            "IdentityConfirmed": 2,
            "StaffAccountCreated": len(Role),
        }
    )


async def test_given_an_empty_portal_when_seeded_twice_then_the_second_adds_nothing(
    seeded: Seeded, secrets: Path
) -> None:
    people, urls = seeded.people, seeded.database_urls
    assert not await is_empty(urls)
    assert await counts(urls) == expected()

    later = NOW + timedelta(days=40)
    assert await seed(now=later, database_urls=urls, secrets=secrets, scale="large") == people
    assert await counts(urls) == expected()

    assert (secrets / "demo-passwords").stat().st_mode & 0o777 == 0o600
    assert Counter(p["level"] for p in people["patients"]) == {"basic": 4, "full": 2}
    assert {role for member in people["staff"] for role in member["roles"]} == set(Role)
    assert {member["totpSecret"] for member in people["staff"]} == {None}
    assert people["banks"] == []
    everybody = people["patients"] + people["staff"]
    assert len({one["password"] for one in everybody}) == len({one["email"] for one in everybody}) == 10


async def test_given_the_seed_when_its_people_come_then_passwords_levels_and_bookings_are_theirs(
    seeded: Seeded, secrets: Path
) -> None:
    people, urls = seeded.people, seeded.database_urls
    async with identity_parts(urls["identity"], secrets) as parts:
        accounts = Accounts(parts.store, parts.blind_index)
        known = []
        for one in people["patients"] + people["staff"]:
            holder = await accounts.of_address(one["email"])
            assert holder is not None
            known.append(holder.patient_id)
            password_hash = await parts.credentials.password_hash(holder.account_id)
            assert await parts.passwords.verify(one["password"], password_hash)
            account = await accounts.account(holder.account_id)
            assert (account and account.level) == one.get("level")
    maria, jan, *_ = known
    assert maria is not None
    assert jan is not None
    booked = await bookings_of(maria, urls["booking"])
    assert date(2026, 4, 1) in {event.starts_at.date() for event in booked}
    assert sorted(event.source for event in booked if event.starts_at > NOW) == ["desk", "portal", "portal"]
    assert any(event.reason is not None for event in booked)
    assert await bookings_of(jan, urls["booking"]) == []


async def test_given_the_seed_when_its_log_is_read_then_it_happened_in_that_order_by_somebody(
    seeded: Seeded,
) -> None:
    for owner, url in reversed(list(seeded.database_urls.items())):
        store = await PostgresStore.connect(url, owner)
        log = await store.tail(0, 100_000)
        await store.close()
        assert all(NOW - NETWORK_AGE - timedelta(days=1) < stored.time < NOW for stored in log)
        assert {"system:demo", DESK} < {stored.metadata.actor for stored in log}
    # But for what was on its way side by side, and for the visit that says that the seed is finished.
    late = [later.time - earlier.time for earlier, later in zip(log, log[300:-1], strict=False)]
    assert min(late) > timedelta(0)


@pytest.mark.parametrize("broken", ["register", "carry_out"])
async def test_given_a_seed_that_broke_off_when_seeded_again_then_it_is_finished(
    database_urls: dict[str, str], secrets: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    whole = getattr(portal_demo.seed, broken)

    async def break_off(first: Any, *more: Any) -> None:
        if broken == "carry_out":
            begun = list(first)
            await whole(begun[: len(begun) // 2], *more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(portal_demo.seed, broken, break_off)
        with pytest.raises(KeyboardInterrupt):
            await seed(now=NOW, database_urls=database_urls, secrets=secrets)
    assert await is_empty(database_urls)
    await seed(now=NOW + timedelta(hours=5), database_urls=database_urls, secrets=secrets)
    assert not await is_empty(database_urls)
    assert await counts(database_urls) == expected()


async def test_given_somebody_elses_portal_when_asked_then_it_is_not_empty(
    database_urls: dict[str, str],
) -> None:
    assert await is_empty(database_urls)
    store = await PostgresStore.connect(database_urls["booking"], "booking")
    decider = Decider(store)
    context = Context(time=NOW, actor="system:another", correlation_id=uuid4())
    await decider.execute(ADD_DOCTOR, next(doctors()), context)
    await decider.close()
    await store.close()
    assert not await is_empty(database_urls)


async def bookings_of(patient_id: UUID, url: str) -> list[AppointmentBooked]:
    store = await PostgresStore.connect(url, "booking")
    [found] = await store.load([Query((about(f"patient:{patient_id}", (AppointmentBooked,)),))])
    await store.close()
    events = [stored.decode() for stored in found]
    return [event for event in events if isinstance(event, AppointmentBooked)]
