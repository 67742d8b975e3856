"""Does a signed-in person set another password, and nobody who does not know the present one?"""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from identity.rules.password_announcement import ANNOUNCE_PASSWORD, AnnouncePassword
from portal_events.identity import PasswordChange, PasswordChanged
from portal_eventstore.spec import given

from .conftest import NOW

Identity = Any
"""The fixtures' service (conftest.py)."""

EMAIL = "Jan.Kowalski@example.org"
PASSWORD = "zielony parasol na dachu"
NEW = "siedem czapek na kołku"
COMMAND = AnnouncePassword(account_id=UUID(int=1), patient_id=UUID(int=2), change=PasswordChange.CHANGED)
CHANGED = PasswordChanged(account_id=UUID(int=1), patient_id=UUID(int=2), change=PasswordChange.CHANGED)


def test_given_any_changes_before_when_announced_then_one_more() -> None:
    given(ANNOUNCE_PASSWORD).when(COMMAND).then(CHANGED)
    given(ANNOUNCE_PASSWORD, CHANGED).when(COMMAND).then(CHANGED)


async def change(
    identity: Identity, account_id: str, current: str = PASSWORD, new: str = NEW, caller: str | None = None
) -> Any:
    body = {"currentPassword": current, "newPassword": new}
    return await identity.post(f"/accounts/{account_id}/password", body, caller=caller or account_id)


async def test_given_the_present_password_when_changed_then_only_the_new_one_works(
    anywhere: Identity,
) -> None:
    account_id = (await anywhere.open()).json()["accountId"]
    answer = await change(anywhere, account_id)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "portal-position" in answer.headers
    assert (await anywhere.sign_in(EMAIL, PASSWORD)).status_code == 401
    assert (await anywhere.sign_in(EMAIL, NEW)).status_code == 200
    *_, changed = await anywhere.parts.store.tail(0, 10)
    assert changed.decode().change is PasswordChange.CHANGED
    assert changed.time == NOW
    subjects = [mail["Subject"] for mail in await anywhere.mails()]
    assert subjects.count("Twoje hasło zostało zmienione") == 1


async def test_given_another_password_than_the_present_when_changed_then_403_and_nothing_changes(
    anywhere: Identity,
) -> None:
    account_id = (await anywhere.open()).json()["accountId"]
    answer = await change(anywhere, account_id, current="something else entirely")
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/password-wrong")
    assert (await anywhere.sign_in(EMAIL, PASSWORD)).status_code == 200
    assert await anywhere.parts.store.head() == 2


@pytest.mark.parametrize(
    ("new", "code"), [("short", "password-weak"), ("zielony\x00parasol na dachu", "control-character")]
)
async def test_given_a_weak_password_when_changed_then_422(identity: Identity, new: str, code: str) -> None:
    account_id = (await identity.open()).json()["accountId"]
    answer = await change(identity, account_id, new=new)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/newPassword", code)]
    assert (await identity.sign_in(EMAIL, PASSWORD)).status_code == 200


async def test_given_anothers_account_when_changed_then_404(identity: Identity) -> None:
    own = (await identity.open()).json()["accountId"]
    other = (await identity.open("o", email="anna@example.org", pesel="02070803628")).json()["accountId"]
    answer = await change(identity, other, caller=own)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/account-unknown")
    nobody = await identity.post(
        f"/accounts/{own}/password", {"currentPassword": PASSWORD, "newPassword": NEW}
    )
    assert nobody.status_code == 401


async def test_hazard_two_changes_at_once(anywhere: Identity) -> None:
    account_id = (await anywhere.open()).json()["accountId"]
    answers = await asyncio.gather(*(change(anywhere, account_id, new=f"{NEW} {n}") for n in range(5)))
    assert sorted(answer.status_code for answer in answers) == [204] + [403] * 4
    won = [answer.status_code for answer in answers].index(204)
    assert (await anywhere.sign_in(EMAIL, f"{NEW} {won}")).status_code == 200
    assert await anywhere.parts.store.head() == 3


async def test_hazard_guessing_the_present_password_in_a_stolen_session(anywhere: Identity) -> None:
    account_id = (await anywhere.open()).json()["accountId"]
    answers = [await change(anywhere, account_id, current=f"guess {n}") for n in range(11)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    assert answers[-1].json()["type"] == "/problems/too-many-attempts"
    assert answers[-1].headers["retry-after"] == "90"
    # What is limited is the confirmation, not the owner's signing in.
    assert (await anywhere.sign_in(EMAIL, PASSWORD)).status_code == 200
    anywhere.clock.on(seconds=90)
    assert (await change(anywhere, account_id)).status_code == 204
