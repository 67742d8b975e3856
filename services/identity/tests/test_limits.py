"""Are guesses slowed without locking the owner out, and is nothing learned from it?"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from identity.client_address import UNKNOWN, client_of
from identity.limits import FAMILIAR_FOR, Limits
from identity.passwords import Busy
from identity.sweep import sweep

from .conftest import NOW, token_of

Identity = Any
"""The fixtures' service (conftest.py)."""

EMAIL = "Jan.Kowalski@example.org"
PASSWORD = "zielony parasol na dachu"
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("192.0.2.1, 10.0.0.1", UNKNOWN),
        ("", UNKNOWN),
        (None, UNKNOWN),
        ("\x00", UNKNOWN),
    ],
)
def test_given_an_address_when_counted_then_its_household(text: str | None, client: str) -> None:
    assert client_of(text) == client


async def guess(
    identity: Identity, times: int, client: str | None, email: str = EMAIL, password: str = "wrong"
) -> list[int]:
    return [(await identity.sign_in(email, password, client)).status_code for _ in range(times)]


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org", "no address"])
async def test_given_ten_wrong_guesses_when_guessed_again_then_429_whoever_it_is(
    anywhere: Identity, email: str
) -> None:
    await anywhere.open()
    assert await guess(anywhere, 12, ELSEWHERE, email) == [401] * 10 + [429] * 2
    answer = await anywhere.sign_in(email, PASSWORD, ELSEWHERE)
    document = answer.json()
    document.pop("instance")
    assert document == {
        "type": "/problems/too-many-attempts",
        "title": "Too many attempts: try again later",
        "status": 429,
    }
    assert answer.headers["retry-after"] == "90"
    anywhere.clock.on(seconds=89)
    assert await guess(anywhere, 1, ELSEWHERE, email) == [429]
    anywhere.clock.on(seconds=1)
    assert await guess(anywhere, 2, ELSEWHERE, email) == [401, 429]


async def test_hazard_guesses_lock_the_owner_out(anywhere: Identity) -> None:
    """However many strangers guess, the owner signs in from where the owner signs in."""
    await anywhere.open()
    assert (await anywhere.sign_in(EMAIL, PASSWORD, HOME)).status_code == 200
    strangers = [f"198.51.100.{n}" for n in range(25)]
    answers = [await guess(anywhere, 1, stranger) for stranger in strangers]
    assert answers == [[401]] * 20 + [[429]] * 5
    # Many addresses do not help the guesser, not even with the right password.
    assert await guess(anywhere, 1, "203.0.113.1", password=PASSWORD) == [429]
    assert (await anywhere.sign_in(EMAIL, PASSWORD, HOME)).status_code == 200
    assert await guess(anywhere, 2, HOME) == [401, 401]


async def test_given_a_reset_by_mail_when_strangers_guess_then_the_owner_signs_in_from_there(
    anywhere: Identity,
) -> None:
    await anywhere.open()
    for n in range(25):
        await guess(anywhere, 1, f"198.51.100.{n}")
    assert await guess(anywhere, 1, HOME, password=PASSWORD) == [429]
    await anywhere.post("/password-resets", {"email": EMAIL}, client=HOME)
    [token] = [token_of(m) for m in await anywhere.mails() if "nowe hasło" in m["Subject"]]
    new = {"password": "siedem czapek na kołku"}
    assert (await anywhere.post(f"/password-resets/{token}", new, client=HOME)).status_code == 200
    assert await guess(anywhere, 1, HOME, password=new["password"]) == [200]


async def test_given_a_right_password_when_signed_in_then_the_pair_begins_anew(anywhere: Identity) -> None:
    await anywhere.open()
    for _ in range(3):
        assert await guess(anywhere, 9, HOME) == [401] * 9
        assert await guess(anywhere, 1, HOME, password=PASSWORD) == [200]


async def test_given_right_passwords_only_when_signed_in_then_never_limited(identity: Identity) -> None:
    await identity.open()
    for n in range(150):
        assert (await identity.sign_in(EMAIL, PASSWORD, f"192.0.2.{n % 50}")).status_code == 200


async def test_hazard_guesses_all_at_once(anywhere: Identity) -> None:
    await anywhere.open()
    answers = await asyncio.gather(*(anywhere.sign_in(EMAIL, "wrong", ELSEWHERE) for _ in range(40)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 30


async def test_hazard_a_clock_was_a_day_ahead(anywhere: Identity) -> None:
    await anywhere.open()
    anywhere.clock.on(days=1)
    assert await guess(anywhere, 11, ELSEWHERE) == [401] * 10 + [429]
    anywhere.clock.on(days=-1)
    assert await guess(anywhere, 11, ELSEWHERE) == [401] * 10 + [429]


async def test_given_one_address_when_many_accounts_are_tried_then_429(identity: Identity) -> None:
    answers = [await guess(identity, 1, ELSEWHERE, f"jan{n}@example.org") for n in range(101)]
    assert answers == [[401]] * 100 + [[429]]
    assert await guess(identity, 1, HOME, "jan0@example.org") == [401]


async def test_given_ipv6_when_guessed_then_the_household_counts_as_one(identity: Identity) -> None:
    await identity.open()
    answers = [await guess(identity, 1, f"2001:db8:1:2::{n}") for n in range(1, 12)]
    assert answers == [[401]] * 10 + [[429]]


async def test_given_no_address_when_guessed_then_all_without_count_as_one(identity: Identity) -> None:
    await identity.open()
    assert await guess(identity, 11, None) == [401] * 10 + [429]


async def test_given_a_guess_that_nobody_could_check_when_counted_then_it_is_taken_back(
    identity: Identity,
) -> None:
    await identity.open()

    class TooBusy:
        async def verify(self, *_: Any) -> bool:
            raise Busy

    identity.wire(replace(identity.parts, passwords=TooBusy()))
    assert await guess(identity, 20, ELSEWHERE) == [503] * 20
    identity.wire(identity.parts)
    assert await guess(identity, 11, ELSEWHERE) == [401] * 10 + [429]


async def test_given_a_hundred_sign_ups_when_another_comes_then_429(identity: Identity) -> None:
    body = {**identity.form, "pesel": "1"}
    headers = {"Idempotency-Key": "k", "portal-client-address": ELSEWHERE}
    statuses = [
        (await identity.client.post("/accounts", json=body, headers=headers)).status_code for _ in range(101)
    ]
    assert statuses == [422] * 100 + [429]
    headers["portal-client-address"] = HOME
    assert (await identity.client.post("/accounts", json=identity.form, headers=headers)).status_code == 201


async def test_given_thirty_resets_when_another_comes_from_there_then_429(identity: Identity) -> None:
    async def ask(number: int, client: str) -> int:
        body = {"email": f"jan{number}@example.org"}
        return int((await identity.post("/password-resets", body, client=client)).status_code)

    assert [await ask(n, ELSEWHERE) for n in range(31)] == [202] * 30 + [429]
    assert await ask(0, HOME) == 202


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
async def test_given_five_resets_when_another_is_asked_for_then_the_same_202_and_no_mail(
    anywhere: Identity, email: str
) -> None:
    await anywhere.open()
    await anywhere.mails()
    for number in range(7):
        answer = await anywhere.post("/password-resets", {"email": email}, client=f"192.0.2.{number}")
        assert (answer.status_code, answer.content) == (202, b"")
    assert len(await anywhere.mails()) == (5 if email == EMAIL else 0)


async def test_given_a_factor_when_many_share_one_address_then_only_its_limits_grow(
    identity: Identity,
) -> None:
    limits = Limits(identity.attempts, identity.parts.blind_index, address_factor=2)
    identity.wire(replace(identity.parts, limits=limits))
    await identity.open()
    answers = [await guess(identity, 1, ELSEWHERE, f"jan{n}@example.org") for n in range(201)]
    assert answers == [[401]] * 200 + [[429]]
    assert await guess(identity, 11, HOME) == [401] * 10 + [429]


@pytest.mark.connected
async def test_given_counters_when_swept_then_only_what_counts_stays_and_none_is_readable(
    connected_identity: Identity, identity_url: str
) -> None:
    identity = connected_identity
    await identity.open()
    await guess(identity, 3, ELSEWHERE)
    await guess(identity, 1, HOME, password=PASSWORD)
    await identity.mails()
    connection = await asyncpg.connect(identity_url)

    async def rows() -> dict[str, int]:
        found = {}
        for table in ("attempt", "familiar_address", "link"):
            records = await connection.fetch(f"table {table}")
            for word in (ELSEWHERE, HOME, "example.org", "Kowalski"):
                assert word not in repr(records)
            found[table] = len(records)
        return found

    await sweep(connection, NOW)
    # The sign-up, and the three keys that the wrong guesses count under.
    assert await rows() == {"attempt": 4, "familiar_address": 1, "link": 1}
    await sweep(connection, NOW + timedelta(hours=2))
    assert await rows() == {"attempt": 0, "familiar_address": 1, "link": 1}
    await sweep(connection, NOW + FAMILIAR_FOR)
    assert await rows() == {"attempt": 0, "familiar_address": 0, "link": 0}
    await connection.close()
