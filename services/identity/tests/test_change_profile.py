"""Does an account change by its owner's hand, and keep what was not touched?"""

from typing import Any
from uuid import UUID

import pytest

from identity.change_profile.decide import CHANGE_PROFILE, ChangeProfile
from identity.rules.account_unknown import AccountUnknown
from portal_events.identity import ProfileChanged
from portal_events.sensitive import Plain
from portal_events.testing import signed_up
from portal_eventstore.spec import given

Identity = Any
"""The fixtures' service (conftest.py)."""

ACCOUNT, PATIENT = UUID(int=1), UUID(int=2)
CREATED = signed_up(PATIENT, account_id=ACCOUNT)
COMMAND = ChangeProfile(account_id=ACCOUNT, given_name=Plain("Janusz"), language="en")


def test_given_an_account_when_changed_then_only_what_was_given() -> None:
    changed = ProfileChanged(
        account_id=ACCOUNT, patient_id=PATIENT, given_name=Plain("Janusz"), language="en"
    )
    given(CHANGE_PROFILE, CREATED).when(COMMAND).then(changed)


def test_given_nothing_to_change_when_changed_then_nothing() -> None:
    given(CHANGE_PROFILE, CREATED).when(ChangeProfile(account_id=ACCOUNT)).then_nothing()


def test_given_no_account_when_changed_then_refused() -> None:
    given(CHANGE_PROFILE).when(COMMAND).then_refused(AccountUnknown)


async def patch(identity: Identity, account_id: str, body: dict[str, Any], caller: str | None = None) -> Any:
    return await identity.send("PATCH", f"/accounts/{account_id}", body, caller=caller or account_id)


async def test_given_changes_when_read_then_the_newest_of_each(anywhere: Identity) -> None:
    account_id = (await anywhere.open()).json()["accountId"]
    before = (await anywhere.account(account_id, account_id)).json()
    first = await patch(anywhere, account_id, {"givenName": " Jänusz 🦔 ", "phone": "+447700900123"})
    assert first.status_code == 200
    assert "portal-position" in first.headers
    assert first.json() == {**before, "givenName": "Jänusz 🦔", "phone": "+447700900123"}
    second = await patch(anywhere, account_id, {"familyName": "<b>K</b>", "language": "en"})
    assert second.json() == {**first.json(), "familyName": "<b>K</b>", "language": "en"}
    assert (await anywhere.account(account_id, account_id)).json() == second.json()
    log = repr(await anywhere.parts.store.tail(0, 10))
    for word in ("Jänusz", "<b>K", "447700"):
        assert word not in log


async def test_given_a_repeat_or_what_is_already_so_when_changed_then_no_event(anywhere: Identity) -> None:
    account_id = (await anywhere.open()).json()["accountId"]
    for body in ({"givenName": "Jan", "language": "pl"}, {}, {"phone": None}):
        assert (await patch(anywhere, account_id, body)).status_code == 200
    assert await anywhere.parts.store.head() == 2
    for _ in range(2):
        assert (await patch(anywhere, account_id, {"givenName": "Janusz"})).status_code == 200
    assert await anywhere.parts.store.head() == 3


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"givenName": ""}, "/givenName", "name-missing"),
        ({"givenName": "J" * 101}, "/givenName", "string-too-long"),
        ({"familyName": "K\x00"}, "/familyName", "control-character"),
        ({"phone": "600100200"}, "/phone", "phone-invalid"),
        ({"language": "de"}, "/language", "language-unknown"),
        ({"email": "jan", "currentPassword": "x"}, "/email", "email-invalid"),
        ({"level": "full"}, "/level", "extra-forbidden"),
        ({"roles": ["desk"]}, "/roles", "extra-forbidden"),
        ({"pesel": "44051401359"}, "/pesel", "extra-forbidden"),
    ],
)
async def test_given_a_fault_when_changed_then_422_and_nothing_changes(
    identity: Identity, body: dict[str, Any], pointer: str, code: str
) -> None:
    account_id = (await identity.open()).json()["accountId"]
    answer = await patch(identity, account_id, {"givenName": "Janusz"} | body)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]
    assert await identity.parts.store.head() == 2


async def test_given_anothers_account_when_changed_then_404(identity: Identity) -> None:
    own = (await identity.open()).json()["accountId"]
    other = (await identity.open("o", email="anna@example.org", pesel="02070803628")).json()["accountId"]
    for account_id in (other, "nonsense"):
        answer = await patch(identity, account_id, {"givenName": "Janusz"}, caller=own)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/account-unknown")
    assert (await identity.send("PATCH", f"/accounts/{own}", {})).status_code == 401


async def test_given_another_language_when_mailed_then_in_that_language(anywhere: Identity) -> None:
    account_id = (await anywhere.open()).json()["accountId"]
    await patch(anywhere, account_id, {"language": "en"})
    [mail] = await anywhere.mails()
    assert (mail["Subject"], mail["Content-Language"]) == ("Confirm your e-mail address", "en")
