"""Does every operation of the public API refuse what none may let pass, and say so in the contract?

What happens to all operations alike is tried on all of them: a new one needs no test of its own for it.
"""

from __future__ import annotations

from contextlib import ExitStack

import httpx
import pytest

from gateway.timeline.streams import STREAMS_OF_AN_ACCOUNT
from portal_contract.operations import PublicOperation, public_operations

from .conftest import COOKIE, CSRF, ME, Gateway
from .samples import nonsense_of, path_of

TOO_LONG = b"x" * (64 * 1024 + 1)
EVERY = public_operations()
WRITES = [one for one in EVERY if one.method != "GET"]
ASKING = [one for one in EVERY if one.asked is not None]


def named(one: PublicOperation) -> str:
    return f"{one.method} {one.path}"


def listing(code: str) -> list[PublicOperation]:
    return [one for one in EVERY if code in one.own.refusals]


async def send(gateway: Gateway, one: PublicOperation, **more: object) -> httpx.Response:
    headers = {**COOKIE, **CSRF, "Idempotency-Key": "once"}
    options = {"headers": headers, **more}
    return await gateway.client.request(one.method, path_of(one.path, ME), **options)  # type: ignore[arg-type]


def refused(response: httpx.Response, one: PublicOperation, status: int, code: str) -> None:
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{code}"), response.text
    assert code in one.refusals, f"{named(one)} does not list {code}: add it to its responses="


@pytest.mark.parametrize("one", EVERY, ids=named)
async def test_given_a_visitor_when_asking_then_401_where_a_session_is_needed(
    gateway: Gateway, one: PublicOperation
) -> None:
    response = await send(gateway, one, headers={**CSRF, "Idempotency-Key": "once"})
    if one.needs_session:
        refused(response, one, 401, "not-signed-in")
    else:
        assert response.status_code != 401


@pytest.mark.parametrize("one", WRITES, ids=named)
async def test_given_another_sites_write_when_sent_then_403(gateway: Gateway, one: PublicOperation) -> None:
    refused(await send(gateway, one, headers=COOKIE), one, 403, "csrf")


@pytest.mark.parametrize("one", WRITES, ids=named)
async def test_given_a_long_body_when_written_then_413(gateway: Gateway, one: PublicOperation) -> None:
    refused(await send(gateway, one, content=TOO_LONG), one, 413, "body-too-large")


@pytest.mark.parametrize("one", EVERY, ids=named)
async def test_hazard_database_away_then_503(gateway: Gateway, one: PublicOperation) -> None:
    refused(await send(gateway, one), one, 503, "service-unavailable")


@pytest.mark.parametrize("one", ASKING, ids=named)
async def test_hazard_service_away_then_503(gateway: Gateway, one: PublicOperation) -> None:
    gateway.believe()
    refused(await send(gateway, one), one, 503, "service-unavailable")


@pytest.mark.parametrize("one", ASKING, ids=named)
async def test_hazard_service_answers_nonsense_then_502(
    gateway_before_nonsense: Gateway, one: PublicOperation
) -> None:
    gateway_before_nonsense.believe()
    refused(await send(gateway_before_nonsense, one), one, 502, "service-failed")


@pytest.mark.parametrize("one", listing("patient-only"), ids=named)
async def test_given_staff_when_asking_for_a_patients_own_then_403(
    gateway: Gateway, one: PublicOperation
) -> None:
    gateway.believe(patient_id=None)
    refused(await send(gateway, one), one, 403, "patient-only")


@pytest.mark.parametrize("one", listing("invalid"), ids=named)
async def test_given_a_query_without_meaning_when_asking_then_422(
    gateway: Gateway, one: PublicOperation
) -> None:
    gateway.believe()
    path = f"{path_of(one.path, ME)}?{nonsense_of(one.own)}"
    response = await gateway.client.request(one.method, path, headers={**COOKIE, **CSRF})
    refused(response, one, 422, "invalid")


@pytest.mark.parametrize("one", listing("too-many-streams"), ids=named)
async def test_given_as_many_streams_as_one_account_has_when_one_more_then_429(
    gateway: Gateway, one: PublicOperation
) -> None:
    gateway.believe()
    with ExitStack() as streams:
        for _ in range(STREAMS_OF_AN_ACCOUNT):
            streams.enter_context(gateway.app.state.streams.opened(ME, ME))
        refused(await send(gateway, one), one, 429, "too-many-streams")
