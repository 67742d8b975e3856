"""Is an address known to be its owner's once, and only once, its link was opened?"""

import asyncio
from typing import Any
from uuid import UUID

from identity.confirm_email.decide import CONFIRM_EMAIL, ConfirmEmail
from identity.rules.link_expired import LinkExpired
from portal_events.identity import EmailChanged, EmailConfirmed
from portal_events.sensitive import Plain
from portal_events.testing import signed_up
from portal_eventstore.spec import given

from .conftest import token_of

Identity = Any
"""The fixtures' service (conftest.py)."""

ACCOUNT, PATIENT = UUID(int=1), UUID(int=2)
COMMAND = ConfirmEmail(account_id=ACCOUNT, email_tag="v1:aa")
CREATED = signed_up(PATIENT, account_id=ACCOUNT, email_tag="v1:aa")
CONFIRMED = EmailConfirmed(account_id=ACCOUNT, patient_id=PATIENT, email_tag="v1:aa")


def changed(new: str, old: str) -> EmailChanged:
    return EmailChanged(
        account_id=ACCOUNT, patient_id=PATIENT, email=Plain("x"), email_tag=new, released_email_tag=old
    )


def test_given_an_account_when_its_link_is_opened_then_confirmed() -> None:
    given(CONFIRM_EMAIL, CREATED).when(COMMAND).then(CONFIRMED)


def test_given_it_is_confirmed_when_opened_again_then_nothing() -> None:
    given(CONFIRM_EMAIL, CREATED, CONFIRMED).when(COMMAND).then_nothing()


def test_given_no_account_or_another_address_by_now_when_opened_then_refused() -> None:
    given(CONFIRM_EMAIL).when(COMMAND).then_refused(LinkExpired)
    given(CONFIRM_EMAIL, CREATED, changed("v1:bb", "v1:aa")).when(COMMAND).then_refused(LinkExpired)


def test_given_the_address_was_changed_to_when_opened_then_it_is_confirmed_already() -> None:
    back = (changed("v1:bb", "v1:aa"), changed("v1:aa", "v1:bb"))
    given(CONFIRM_EMAIL, CREATED, *back).when(COMMAND).then_nothing()


async def confirmed(identity: Identity, account_id: str) -> bool:
    return bool((await identity.account(account_id, account_id)).json()["emailConfirmed"])


async def test_given_a_new_account_when_its_link_is_opened_then_confirmed(anywhere: Identity) -> None:
    account_id = (await anywhere.open()).json()["accountId"]
    [mail] = await anywhere.mails()
    assert mail["To"] == "Jan.Kowalski@example.org"
    assert not await confirmed(anywhere, account_id)
    answer = await anywhere.post(f"/email-confirmations/{token_of(mail)}")
    assert (answer.status_code, answer.json()) == (200, {"result": "email-confirmed"})
    assert "portal-position" in answer.headers
    assert await confirmed(anywhere, account_id)


async def test_hazard_a_used_link_is_replayed(anywhere: Identity) -> None:
    await anywhere.open()
    [mail] = await anywhere.mails()
    answers = [await anywhere.post(f"/email-confirmations/{token_of(mail)}") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 410]
    assert answers[1].json()["type"] == "/problems/link-expired"
    assert await anywhere.parts.store.head() == 3


async def test_hazard_a_link_is_opened_many_times_at_once(anywhere: Identity) -> None:
    await anywhere.open()
    [mail] = await anywhere.mails()
    answers = await asyncio.gather(
        *(anywhere.post(f"/email-confirmations/{token_of(mail)}") for _ in range(8))
    )
    assert {answer.status_code for answer in answers} <= {200, 410}
    assert await anywhere.parts.store.head() == 3


async def test_given_three_days_when_the_link_is_opened_then_410(anywhere: Identity) -> None:
    await anywhere.open()
    [mail] = await anywhere.mails()
    anywhere.clock.on(days=3)
    assert (await anywhere.post(f"/email-confirmations/{token_of(mail)}")).status_code == 410


async def test_given_a_link_of_another_purpose_or_none_when_opened_then_410(identity: Identity) -> None:
    await identity.open()
    await identity.mails()
    await identity.post("/password-resets", {"email": "jan.kowalski@example.org"})
    [reset] = await identity.mails()
    for token in (token_of(reset), "x"):
        answer = await identity.post(f"/email-confirmations/{token}")
        assert (answer.status_code, answer.json()["type"]) == (410, "/problems/link-expired")


async def test_given_the_link_is_asked_for_again_when_opened_then_only_the_newest_works(
    anywhere: Identity,
) -> None:
    account_id = (await anywhere.open()).json()["accountId"]
    [first] = await anywhere.mails()
    answer = await anywhere.post("/email-confirmations", caller=account_id)
    assert (answer.status_code, answer.content) == (202, b"")
    [second] = await anywhere.mails()
    assert (await anywhere.post(f"/email-confirmations/{token_of(first)}")).status_code == 410
    assert (await anywhere.post(f"/email-confirmations/{token_of(second)}")).status_code == 200
    # There is nothing to confirm any more, and no mail.
    assert (await anywhere.post("/email-confirmations", caller=account_id)).status_code == 202
    assert await anywhere.mails() == []


async def test_given_a_visitor_when_the_link_is_asked_for_then_401(identity: Identity) -> None:
    assert (await identity.post("/email-confirmations")).status_code == 401


async def test_given_many_requests_when_the_link_is_asked_for_then_429(anywhere: Identity) -> None:
    account_id = (await anywhere.open()).json()["accountId"]
    answers = [await anywhere.post("/email-confirmations", caller=account_id) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert answers[-1].headers["retry-after"] == str(12 * 60)


async def test_hazard_process_dies_between_sign_up_and_mail(anywhere: Identity) -> None:
    """Nothing is ordered when the account is opened: the worker derives the mail from the event."""
    await anywhere.open()
    anywhere.clock.on(hours=23)
    assert len(await anywhere.mails()) == 1
    assert await anywhere.mails() == []
