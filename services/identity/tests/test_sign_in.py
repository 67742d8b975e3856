"""Are credentials checked without telling which part was wrong?"""

import asyncio
import time
from dataclasses import replace
from statistics import median
from typing import Any
from uuid import UUID

import pytest

from identity.passwords import Busy, Passwords

Identity = Any
"""The fixtures' service (conftest.py)."""

EMAIL = "Jan.Kowalski@example.org"
PASSWORD = "zielony parasol na dachu"


async def test_given_an_account_when_the_password_is_right_then_200(identity: Identity) -> None:
    opened = (await identity.open()).json()
    for spelt in (EMAIL, EMAIL.upper(), f" {EMAIL} "):
        response = await identity.sign_in(spelt, PASSWORD)
        assert response.status_code == 200
        assert response.json() == {**opened, "roles": ["patient"]}


@pytest.mark.parametrize(
    ("email", "password"),
    [
        (EMAIL, "zielony parasol na Dachu"),
        (EMAIL, " zielony parasol na dachu"),
        (EMAIL, ""),
        (EMAIL, "\x00"),
        ("nobody@example.org", PASSWORD),
        ("no address", PASSWORD),
        ("\x00", PASSWORD),
        ("", ""),
    ],
)
async def test_given_an_account_when_something_is_wrong_then_one_and_the_same_401(
    identity: Identity, email: str, password: str
) -> None:
    await identity.open()
    response = await identity.sign_in(email, password)
    assert response.status_code == 401
    document = response.json()
    document.pop("instance")
    assert document == {
        "type": "/problems/sign-in-failed",
        "title": "The e-mail address or the password is not right",
        "status": 401,
    }


async def test_given_two_spellings_of_a_password_when_signed_in_then_they_are_one(
    identity: Identity,
) -> None:
    await identity.open(password="z\u0301o\u0301łw na wysokim dębie")
    assert (await identity.sign_in(EMAIL, "ź\u00f3łw na wysokim dębie")).status_code == 200


async def test_given_spaces_around_a_password_when_signed_in_then_they_count(identity: Identity) -> None:
    await identity.open(password=f" {PASSWORD}  ")
    assert (await identity.sign_in(EMAIL, f" {PASSWORD}  ")).status_code == 200
    assert (await identity.sign_in(EMAIL, PASSWORD)).status_code == 401


async def test_given_an_account_without_a_password_when_signed_in_then_401(identity: Identity) -> None:
    opened = (await identity.open()).json()
    await identity.parts.credentials.remove(UUID(opened["accountId"]))
    assert (await identity.sign_in(EMAIL, PASSWORD)).status_code == 401


async def test_hazard_unknown_address_answers_no_faster(identity: Identity) -> None:
    slow = Passwords(memory_kib=16 * 1024, passes=3)
    identity.wire(replace(identity.parts, passwords=slow))
    await identity.open()
    took: dict[str, list[float]] = {EMAIL: [], "nobody@example.org": []}
    for _ in range(7):
        for email, times in took.items():
            began = time.perf_counter()
            await identity.sign_in(email, "something else entirely")
            times.append(time.perf_counter() - began)
    slow.close()
    known, unknown = (median(times) for times in took.values())
    assert 0.3 < unknown / known < 3


async def test_given_a_hash_of_old_parameters_when_signed_in_then_it_is_renewed(identity: Identity) -> None:
    opened = (await identity.open()).json()
    account_id = UUID(opened["accountId"])
    before = await identity.parts.credentials.password_hash(account_id)
    assert (await identity.sign_in(EMAIL, PASSWORD)).status_code == 200
    assert await identity.parts.credentials.password_hash(account_id) == before
    dearer = Passwords(memory_kib=64, passes=2)
    identity.wire(replace(identity.parts, passwords=dearer))
    assert (await identity.sign_in(EMAIL, "wrong all the same")).status_code == 401
    assert await identity.parts.credentials.password_hash(account_id) == before
    assert (await identity.sign_in(EMAIL, PASSWORD)).status_code == 200
    renewed = await identity.parts.credentials.password_hash(account_id)
    assert "m=64,t=2" in renewed
    assert (await identity.sign_in(EMAIL, PASSWORD)).status_code == 200
    dearer.close()


async def test_given_other_fields_when_posted_then_422(identity: Identity) -> None:
    response = await identity.client.post(
        "/sign-ins", json={"email": EMAIL, "password": PASSWORD, "role": "x"}
    )
    assert response.status_code == 422
    assert PASSWORD not in response.text


async def test_given_production_parameters_when_hashed_then_argon2id_with_64_mib() -> None:
    passwords = Passwords()
    made = await passwords.hash("x")
    assert made.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert not passwords.outdated(made)
    assert passwords.outdated(made.replace("t=3", "t=2"))
    passwords.close()


async def test_hazard_too_many_at_once_are_asked_to_come_back(passwords: Passwords) -> None:
    results = await asyncio.gather(*(passwords.hash("x") for _ in range(80)), return_exceptions=True)
    busy = [result for result in results if isinstance(result, Busy)]
    assert len(busy) == 30
    assert isinstance(await passwords.hash("x"), str)
    passwords.close()


async def test_given_too_many_guesses_when_another_comes_then_no_password_is_verified(
    identity: Identity,
) -> None:
    """Neither the guess nor its time says anything: a limited guess is not looked at."""
    await identity.open()
    verified: list[str] = []
    verify = identity.parts.passwords.verify

    async def noted(password: str, password_hash: str | None) -> bool:
        verified.append(password)
        return bool(await verify(password, password_hash))

    identity.parts.passwords.verify = noted
    for _ in range(15):
        await identity.sign_in(EMAIL, "wrong")
    assert (await identity.sign_in(EMAIL, PASSWORD)).status_code == 429
    assert len(verified) == 10
