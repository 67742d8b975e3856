"""Does a person see the own account, and nobody else's?"""

from typing import Any
from uuid import UUID

import pytest

Identity = Any
"""The fixtures' service (conftest.py)."""


async def check_own(identity: Identity) -> None:
    opened = (await identity.open()).json()
    response = await identity.account(opened["accountId"], opened["accountId"])
    assert response.status_code == 200
    assert response.json() == {
        **opened,
        "email": "Jan.Kowalski@example.org",
        "emailConfirmed": False,
        "newEmail": None,
        "givenName": "Jan",
        "familyName": "Kowalski",
        "birthDate": "1944-05-14",
        "sex": "male",
        "phone": "+48600100200",
        "language": "pl",
    }


async def test_given_an_account_when_its_owner_asks_then_it_is_revealed(identity: Identity) -> None:
    await check_own(identity)


@pytest.mark.connected
async def test_given_an_account_on_postgres_when_its_owner_asks_then_it_is_revealed(
    connected_identity: Identity,
) -> None:
    await check_own(connected_identity)


async def test_hazard_anothers_id_and_no_id_are_the_same_404(identity: Identity) -> None:
    opened = (await identity.open()).json()
    other = (await identity.open("o", email="anna@example.org", pesel="02070803628")).json()
    own, foreign, nobodys = opened["accountId"], other["accountId"], "019a0000-0000-7000-8000-000000000009"
    answers = [
        await identity.account(foreign, own),
        await identity.account(nobodys, own),
        await identity.account("nonsense", own),
        await identity.account(own.upper(), own),
        # A token of an account that is not (or no longer) there.
        await identity.account(
            "019a0000-0000-7000-8000-000000000009", "019a0000-0000-7000-8000-000000000009"
        ),
    ]
    for answer in answers:
        document = answer.json()
        document.pop("instance")
        assert document == {
            "type": "/problems/account-unknown",
            "title": "There is no such account",
            "status": 404,
        }


async def test_given_no_token_or_anothers_services_token_when_asked_then_401(identity: Identity) -> None:
    own = (await identity.open()).json()["accountId"]
    assert (await identity.client.get(f"/accounts/{own}")).status_code == 401
    assert (await identity.account(own, own, audience="booking")).status_code == 401


async def test_given_no_data_key_when_asked_then_503_and_nothing_is_shown(identity: Identity) -> None:
    opened = (await identity.open()).json()
    await identity.parts.data_keys.remove(UUID(opened["patientId"]))
    response = await identity.account(opened["accountId"], opened["accountId"])
    assert response.status_code == 503
    assert response.json()["type"] == "/problems/key-unavailable"
