"""Is a caller believed only with a token that the gateway signed, for this service, just now?"""

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import OKPKey

from portal_chassis.access import (
    Caller,
    CurrentCaller,
    CurrentPatient,
    NotSignedIn,
    TokenSigner,
    TokenVerifier,
)
from portal_chassis.app import create_app
from portal_chassis.positions import encode

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SEEN = {("booking.events", 3): 70}
CALLER = Caller(
    account_id=UUID("019a0000-0000-7000-8000-000000000001"),
    patient_id=UUID("019a0000-0000-7000-8000-000000000002"),
    roles=("patient",),
    positions=SEEN,
)
STAFF = Caller(CALLER.account_id, None, ("desk",), {})
CLAIMS = {
    "iss": "gateway",
    "aud": "booking",
    "sub": str(CALLER.account_id),
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 30,
}

KeyPair = Callable[[str], tuple[Path, Path]]


@pytest.fixture
def gateway(key_pair: KeyPair) -> tuple[Path, Path]:
    return key_pair("gateway")


@pytest.fixture
def signer(gateway: tuple[Path, Path]) -> TokenSigner:
    return TokenSigner(gateway[0])


@pytest.fixture
def app(gateway: tuple[Path, Path]) -> FastAPI:
    app = create_app("booking", clock=lambda: NOW)
    app.state.token_verifier = TokenVerifier(gateway[1], "booking")

    @app.get("/me")
    async def me(caller: CurrentCaller) -> dict[str, Any]:
        positions = {f"{topic}/{n}": position for (topic, n), position in caller.positions.items()}
        return {
            "account": caller.account_id,
            "patient": caller.patient_id,
            "roles": caller.roles,
            "positions": positions,
        }

    @app.get("/patient")
    async def patient(caller: CurrentPatient) -> UUID:
        return caller.patient_id

    return app


async def get(app: FastAPI, path: str, headers: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        return await client.get(path, headers=headers)


async def answer(app: FastAPI, token: str | None, path: str = "/me", **headers: str) -> httpx.Response:
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    return await get(app, path, {**bearer, **headers})


def raw_token(header: dict[str, str], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


async def test_given_a_signed_token_when_asked_then_the_caller_is_known(
    app: FastAPI, signer: TokenSigner
) -> None:
    response = await answer(app, signer.sign(CALLER, audience="booking", now=NOW))
    assert response.status_code == 200
    assert response.json() == {
        "account": str(CALLER.account_id),
        "patient": str(CALLER.patient_id),
        "roles": ["patient"],
        "positions": {"booking.events/3": 70},
    }


async def test_given_no_token_when_asked_then_401_with_a_challenge(app: FastAPI) -> None:
    response = await answer(app, None)
    assert response.status_code == 401
    assert response.json()["type"] == "/problems/not-signed-in"
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["Basic abc", "Bearer", "Bearer ", "Bearer nonsense", "Bearer ..", "Bearer a.b.c"]
)
async def test_given_a_malformed_authorization_when_asked_then_401(app: FastAPI, header: str) -> None:
    assert (await get(app, "/me", {"Authorization": header})).status_code == 401


async def test_hazard_token_of_another_key_is_refused(app: FastAPI, key_pair: KeyPair) -> None:
    forged = TokenSigner(key_pair("other")[0]).sign(CALLER, audience="booking", now=NOW)
    assert (await answer(app, forged)).status_code == 401


async def test_hazard_altered_claims_are_refused(app: FastAPI, signer: TokenSigner) -> None:
    header, _, signature = signer.sign(CALLER, audience="booking", now=NOW).split(".")
    other = json.dumps({**CLAIMS, "sub": "019a0000-0000-7000-8000-00000000ffff"}).encode()
    altered = f"{header}.{base64.urlsafe_b64encode(other).decode().rstrip('=')}.{signature}"
    assert (await answer(app, altered)).status_code == 401


async def test_hazard_token_for_another_service_is_refused(app: FastAPI, signer: TokenSigner) -> None:
    assert (await answer(app, signer.sign(CALLER, audience="identity", now=NOW))).status_code == 401


@pytest.mark.parametrize(
    ("age", "status"), [(0, 200), (29, 200), (30, 401), (3600, 401), (-4, 200), (-60, 401)]
)
async def test_given_a_token_of_an_age_in_seconds_when_asked_then_only_a_fresh_one_counts(
    app: FastAPI, signer: TokenSigner, age: int, status: int
) -> None:
    token = signer.sign(CALLER, audience="booking", now=NOW - timedelta(seconds=age))
    assert (await answer(app, token)).status_code == status


@pytest.mark.parametrize(("age", "status"), [(29, 200), (30, 401), (3600, 401), (-60, 401)])
async def test_given_a_token_that_was_accepted_when_sent_again_then_it_ends_as_it_would_have(
    gateway: tuple[Path, Path], signer: TokenSigner, age: int, status: int
) -> None:
    verifier = TokenVerifier(gateway[1], "booking")
    token = signer.sign(CALLER, audience="booking", now=NOW)
    assert verifier.verify(token, now=NOW) == CALLER
    later = NOW + timedelta(seconds=age)
    if status == 200:
        assert verifier.verify(token, now=later) == CALLER
    else:
        with pytest.raises(NotSignedIn):
            verifier.verify(token, now=later)


def test_given_the_same_caller_when_signed_for_again_soon_then_the_token_is_the_same(
    signer: TokenSigner,
) -> None:
    first = signer.sign(CALLER, audience="booking", now=NOW)
    assert signer.sign(CALLER, audience="booking", now=NOW + timedelta(seconds=14)) == first
    assert signer.sign(CALLER, audience="booking", now=NOW + timedelta(seconds=15)) != first


@pytest.mark.parametrize(
    "other",
    [
        replace(CALLER, account_id=UUID("019a0000-0000-7000-8000-00000000ffff")),
        replace(CALLER, patient_id=UUID("019a0000-0000-7000-8000-00000000ffff")),
        replace(CALLER, roles=("desk",)),
        replace(CALLER, positions={("booking.events", 3): 71}),
        STAFF,
    ],
)
def test_hazard_another_callers_token_is_never_sent(
    gateway: tuple[Path, Path], signer: TokenSigner, other: Caller
) -> None:
    first = signer.sign(CALLER, audience="booking", now=NOW)
    theirs = signer.sign(other, audience="booking", now=NOW)
    assert theirs != first
    assert TokenVerifier(gateway[1], "booking").verify(theirs, now=NOW) == other
    with pytest.raises(NotSignedIn):
        TokenVerifier(gateway[1], "identity").verify(theirs, now=NOW)
    assert signer.sign(CALLER, audience="identity", now=NOW) != first


def test_hazard_a_clock_set_back_does_not_bring_a_later_token(
    gateway: tuple[Path, Path], signer: TokenSigner
) -> None:
    signer.sign(CALLER, audience="booking", now=NOW + timedelta(seconds=60))
    token = signer.sign(CALLER, audience="booking", now=NOW)
    assert TokenVerifier(gateway[1], "booking").verify(token, now=NOW) == CALLER


async def test_hazard_algorithm_none_is_refused(app: FastAPI) -> None:
    assert (await answer(app, raw_token({"alg": "none"}, CLAIMS))).status_code == 401


async def test_hazard_hs256_with_the_public_key_is_refused(app: FastAPI, gateway: tuple[Path, Path]) -> None:
    unsigned = raw_token({"alg": "HS256", "typ": "JWT"}, CLAIMS).removesuffix(".")
    signature = hmac.new(gateway[1].read_bytes(), unsigned.encode(), "sha256").digest()
    forged = f"{unsigned}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    assert (await answer(app, forged)).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "bank"},
        {"sub": "jan"},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"aud": None},
        {"patient": 7},
    ],
)
async def test_given_wrong_claims_under_the_right_key_when_asked_then_401(
    app: FastAPI, gateway: tuple[Path, Path], change: dict[str, Any]
) -> None:
    key = OKPKey.import_key(gateway[0].read_bytes())
    claims = {name: value for name, value in {**CLAIMS, **change}.items() if value is not None}
    token = jwt.encode({"alg": "Ed25519"}, claims, key, algorithms=["Ed25519"])
    assert (await answer(app, token)).status_code == 401


async def test_given_no_patient_when_a_patient_is_needed_then_403(app: FastAPI, signer: TokenSigner) -> None:
    response = await answer(app, signer.sign(STAFF, audience="booking", now=NOW), "/patient")
    assert response.status_code == 403
    assert response.json()["type"] == "/problems/patient-only"


async def test_given_a_position_header_when_asked_then_it_is_merged_with_the_token(
    app: FastAPI, signer: TokenSigner
) -> None:
    token = signer.sign(CALLER, audience="booking", now=NOW)
    newer = encode({("booking.events", 3): 71, ("identity.events", 0): 5})
    response = await answer(app, token, **{"Portal-Position": newer})
    assert response.json()["positions"] == {"booking.events/3": 71, "identity.events/0": 5}


async def test_given_a_malformed_position_header_when_asked_then_it_is_ignored(
    app: FastAPI, signer: TokenSigner
) -> None:
    token = signer.sign(CALLER, audience="booking", now=NOW)
    response = await answer(app, token, **{"Portal-Position": "%%%"})
    assert response.status_code == 200
    assert response.json()["positions"] == {"booking.events/3": 70}


def test_hazard_private_key_in_the_place_of_the_public_one_is_refused(gateway: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match="private key"):
        TokenVerifier(gateway[0], "booking")
    with pytest.raises(ValueError, match="no private key"):
        TokenSigner(gateway[1])
