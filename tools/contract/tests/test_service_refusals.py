"""Does every operation of a service refuse what is malformed or nobody's, and a database that is away?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from booking.app import serve
from booking.settings import Settings as BookingSettings
from identity.__main__ import SERVICE as IDENTITY
from identity.app import make_app
from identity.settings import IdentitySettings
from portal_chassis.migrate import migrate
from portal_contract.operations import Operation, public_operations
from portal_eventstore import postgres
from portal_eventstore.postgres import MIGRATIONS

from .conftest import ME, Services, environment, token
from .samples import body_of, nonsense_of, path_of, query_of
from .severed import cable_to

EVERY = tuple(
    {
        (one.asked.app, one.asked.method, one.asked.path): one.asked
        for one in public_operations()
        if one.asked
    }.values()
)
KEY = {"Idempotency-Key": "once"}
PROCESSES: Mapping[str, tuple[Any, Any, Any]] = {
    "booking": (serve, BookingSettings, [(MIGRATIONS, "event_store_migration")]),
    "identity": (make_app, IdentitySettings, IDENTITY.migrations),
}
"""How each service makes its app, reads its settings, and which tables it needs."""


def named(one: Operation) -> str:
    return f"{one.app} {one.method} {one.path}"


def listing(code: str) -> list[Operation]:
    return [one for one in EVERY if code in one.refusals]


async def send(services: Services, one: Operation, headers: Mapping[str, str], **more: Any) -> httpx.Response:
    options = {"json": body_of(one, ME), "params": query_of(one, ME), **more}
    path = path_of(one.path, ME)
    return await services.clients[one.app].request(one.method, path, headers=headers, **options)


def refused(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{code}"), response.text


@pytest.mark.parametrize("one", listing("not-signed-in"), ids=named)
async def test_given_no_token_when_asked_then_401(services: Services, one: Operation) -> None:
    refused(await send(services, one, KEY), 401, "not-signed-in")


@pytest.mark.parametrize("one", listing("patient-only"), ids=named)
async def test_given_staff_when_asking_for_a_patients_own_then_403(
    services: Services, one: Operation
) -> None:
    headers = {**token(services.keys, one.app, patient_id=None), **KEY}
    refused(await send(services, one, headers), 403, "patient-only")


@pytest.mark.parametrize("one", listing("idempotency-key-missing"), ids=named)
async def test_given_no_key_when_asked_then_422(services: Services, one: Operation) -> None:
    refused(await send(services, one, token(services.keys, one.app)), 422, "idempotency-key-missing")


@pytest.mark.parametrize("one", listing("idempotency-key-too-long"), ids=named)
async def test_given_a_long_key_when_asked_then_422(services: Services, one: Operation) -> None:
    headers = {**token(services.keys, one.app), "Idempotency-Key": "k" * 129}
    refused(await send(services, one, headers), 422, "idempotency-key-too-long")


@pytest.mark.parametrize("one", listing("invalid"), ids=named)
async def test_given_what_is_malformed_when_asked_then_422(services: Services, one: Operation) -> None:
    headers = {**token(services.keys, one.app), **KEY, "Content-Type": "application/json"}
    malformed: dict[str, Any] = {"json": None, "content": b"{"} if "requestBody" in one.description else {}
    refused(await send(services, one, headers, params=nonsense_of(one), **malformed), 422, "invalid")


@pytest.mark.connected
@pytest.mark.parametrize("app", list(PROCESSES))
async def test_hazard_database_away_then_503_from_every_operation_and_listed(
    app: str, keys: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The store asks again for 10 s; here it is known that nothing comes back.
    monkeypatch.setattr(postgres, "_RESEND_SECONDS", 0.5)
    make, settings, migrations = PROCESSES[app]
    await migrate(database_url, *migrations)
    async with cable_to(database_url) as (cable, address):
        process = make(settings.from_environment(environment(keys, DATABASE_URL=address)))
        async with (
            process.router.lifespan_context(process),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=process), base_url=f"http://{app}") as client,
        ):
            await cable.cut()
            asked = [one for one in EVERY if one.app == app]
            headers = {**token(keys, app), **KEY}
            # At once: some parts wait a while for a database to come back.
            answers = await asyncio.gather(
                *(send(Services({app: client}, keys), one, headers) for one in asked)
            )
    found = {
        named(one): (answer.status_code, answer.json()["type"], "store-unavailable" in one.refusals)
        for one, answer in zip(asked, answers, strict=True)
    }
    expected = (503, "/problems/store-unavailable", True)
    assert {name: answer for name, answer in found.items() if answer != expected} == {}
