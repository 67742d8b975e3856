"""Does an account get another address by both mailboxes' consent, and by nothing less?"""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from identity.change_email.decide import (
    APPROVE_EMAIL_CHANGE,
    REQUEST_EMAIL_CHANGE,
    ApproveEmailChange,
    RequestEmailChange,
)
from identity.rules.account_unknown import AccountUnknown
from identity.rules.email_holder import AccountExists
from identity.rules.link_expired import LinkExpired
from portal_events.identity import (
    ChangedAddress,
    EmailChangeApproved,
    EmailChanged,
    EmailChangeRequested,
)
from portal_events.sensitive import Plain
from portal_events.testing import signed_up
from portal_eventstore.spec import given

from .conftest import token_of

Identity = Any
"""The fixtures' service (conftest.py)."""

ACCOUNT, PATIENT = UUID(int=1), UUID(int=2)
CREATED = signed_up(PATIENT, account_id=ACCOUNT, email_tag="v1:old")
OTHERS = signed_up(UUID(int=9), account_id=UUID(int=8), email=Plain("new@example.org"), email_tag="v1:new")
WISH = RequestEmailChange(account_id=ACCOUNT, email=Plain("new@example.org"), email_tag="v1:new")
REQUESTED = EmailChangeRequested(
    account_id=ACCOUNT, patient_id=PATIENT, email=Plain("new@example.org"), email_tag="v1:new"
)
FROM_NEW = ApproveEmailChange(
    account_id=ACCOUNT,
    address=ChangedAddress.NEW,
    email=Plain("new@example.org"),
    email_tag="v1:new",
)
FROM_OLD = replace(FROM_NEW, address=ChangedAddress.OLD)
APPROVED_NEW = EmailChangeApproved(
    account_id=ACCOUNT, patient_id=PATIENT, address=ChangedAddress.NEW, email_tag="v1:new"
)
APPROVED_OLD = APPROVED_NEW.model_copy(update={"address": ChangedAddress.OLD})
CHANGED = EmailChanged(
    account_id=ACCOUNT,
    patient_id=PATIENT,
    email=Plain("new@example.org"),
    email_tag="v1:new",
    released_email_tag="v1:old",
)


def test_given_an_account_when_another_address_is_wanted_then_requested() -> None:
    given(REQUEST_EMAIL_CHANGE, CREATED).when(WISH).then(REQUESTED)


def test_given_the_account_has_it_when_wanted_then_nothing() -> None:
    given(REQUEST_EMAIL_CHANGE, CREATED, CHANGED).when(WISH).then_nothing()


def test_given_no_account_when_another_address_is_wanted_then_refused() -> None:
    given(REQUEST_EMAIL_CHANGE).when(WISH).then_refused(AccountUnknown)


@pytest.mark.parametrize(
    ("first", "approved", "second"),
    [(FROM_NEW, APPROVED_NEW, FROM_OLD), (FROM_OLD, APPROVED_OLD, FROM_NEW)],
)
def test_given_a_request_when_both_links_are_opened_then_changed_by_the_second(
    first: ApproveEmailChange, approved: EmailChangeApproved, second: ApproveEmailChange
) -> None:
    given(APPROVE_EMAIL_CHANGE, CREATED, REQUESTED).when(first).then(approved)
    given(APPROVE_EMAIL_CHANGE, CREATED, REQUESTED, approved).when(first).then_nothing()
    given(APPROVE_EMAIL_CHANGE, CREATED, REQUESTED, approved).when(second).then(CHANGED)


def test_given_no_request_or_another_when_a_link_is_opened_then_refused() -> None:
    other = REQUESTED.model_copy(update={"email_tag": "v1:other"})
    given(APPROVE_EMAIL_CHANGE).when(FROM_NEW).then_refused(LinkExpired)
    given(APPROVE_EMAIL_CHANGE, CREATED).when(FROM_NEW).then_refused(LinkExpired)
    given(APPROVE_EMAIL_CHANGE, CREATED, REQUESTED, other).when(FROM_NEW).then_refused(LinkExpired)
    given(APPROVE_EMAIL_CHANGE, CREATED, REQUESTED, APPROVED_OLD, CHANGED).when(FROM_NEW).then_refused(
        LinkExpired
    )


def test_given_a_newer_request_when_a_link_is_opened_then_what_was_approved_before_does_not_count() -> None:
    given(APPROVE_EMAIL_CHANGE, CREATED, REQUESTED, APPROVED_OLD, REQUESTED).when(FROM_NEW).then(APPROVED_NEW)


def test_given_somebody_took_the_address_meanwhile_when_a_link_is_opened_then_refused() -> None:
    facts = (CREATED, REQUESTED, APPROVED_OLD, OTHERS)
    given(APPROVE_EMAIL_CHANGE, *facts).when(FROM_NEW).then_refused(AccountExists)
    gone = CHANGED.model_copy(
        update={"account_id": UUID(int=8), "email_tag": "v1:x", "released_email_tag": "v1:new"}
    )
    given(APPROVE_EMAIL_CHANGE, *facts, gone).when(FROM_NEW).then(CHANGED)


def test_given_both_addresses_when_changed_then_the_event_is_found_by_both() -> None:
    assert CHANGED.tags() == {f"account:{ACCOUNT}", f"patient:{PATIENT}", "email:v1:new", "email:v1:old"}
    assert REQUESTED.tags() == {f"account:{ACCOUNT}", f"patient:{PATIENT}"}


OLD, NEW = "Jan.Kowalski@example.org", "Jan@nowy.example"
PASSWORD = "zielony parasol na dachu"


async def want(identity: Identity, account_id: str, email: str = NEW, password: str | None = PASSWORD) -> Any:
    body = {"email": email} | ({} if password is None else {"currentPassword": password})
    return await identity.send("PATCH", f"/accounts/{account_id}", body, caller=account_id)


async def opened(identity: Identity) -> str:
    account_id = (await identity.open()).json()["accountId"]
    await identity.mails()
    return str(account_id)


async def links(identity: Identity) -> dict[str, str]:
    return {mail["To"]: token_of(mail) for mail in await identity.mails()}


@pytest.mark.parametrize("order", [(OLD, NEW), (NEW, OLD)])
async def test_given_a_wish_when_both_links_are_opened_then_sign_in_follows_the_new_address(
    anywhere: Identity, order: tuple[str, str]
) -> None:
    account_id = await opened(anywhere)
    answer = await want(anywhere, account_id)
    assert answer.status_code == 200
    assert (answer.json()["email"], answer.json()["newEmail"]) == (OLD, NEW)
    tokens = await links(anywhere)
    assert set(tokens) == {OLD, NEW}

    first = await anywhere.post(f"/email-confirmations/{tokens[order[0]]}")
    assert (first.status_code, first.json()) == (200, {"result": "other-link-awaited"})
    assert (await anywhere.sign_in(OLD, PASSWORD)).status_code == 200
    assert (await anywhere.sign_in(NEW, PASSWORD)).status_code == 401
    second = await anywhere.post(f"/email-confirmations/{tokens[order[1]]}")
    assert (second.status_code, second.json()) == (200, {"result": "email-changed"})

    assert (await anywhere.sign_in(OLD, PASSWORD)).status_code == 401
    assert (await anywhere.sign_in(NEW, PASSWORD)).status_code == 200
    account = (await anywhere.account(account_id, account_id)).json()
    assert (account["email"], account["newEmail"], account["emailConfirmed"]) == (NEW, None, True)
    # The old address is free, the new one is not.
    assert (await anywhere.open("o", email=NEW, pesel="02070803628")).status_code == 409
    assert (await anywhere.open("o", email=OLD, pesel="02070803628")).status_code == 201


async def test_hazard_one_mailbox_alone_cannot_move_the_account(anywhere: Identity) -> None:
    account_id = await opened(anywhere)
    await want(anywhere, account_id)
    tokens = await links(anywhere)
    for _ in range(2):
        await anywhere.post(f"/email-confirmations/{tokens[NEW]}")
    assert (await anywhere.account(account_id, account_id)).json()["email"] == OLD


async def test_given_no_or_a_wrong_password_when_another_address_is_wanted_then_nothing_changes(
    anywhere: Identity,
) -> None:
    account_id = await opened(anywhere)
    missing = await want(anywhere, account_id, password=None)
    assert missing.status_code == 422
    assert [(e["pointer"], e["code"]) for e in missing.json()["errors"]] == [("/currentPassword", "missing")]
    body = {"givenName": "Janusz", "email": NEW, "currentPassword": "wrong"}
    wrong = await anywhere.send("PATCH", f"/accounts/{account_id}", body, caller=account_id)
    assert (wrong.status_code, wrong.json()["type"]) == (403, "/problems/password-wrong")
    assert await anywhere.parts.store.head() == 2
    assert await anywhere.mails() == []


async def test_given_the_same_address_spelt_otherwise_when_wanted_then_nothing(identity: Identity) -> None:
    account_id = await opened(identity)
    assert (await want(identity, account_id, OLD.upper(), None)).status_code == 200
    assert await identity.parts.store.head() == 2


async def test_given_a_newer_wish_when_an_older_link_is_opened_then_410(anywhere: Identity) -> None:
    account_id = await opened(anywhere)
    await want(anywhere, account_id)
    older = await links(anywhere)
    await want(anywhere, account_id, "inny@nowy.example")
    newer = await links(anywhere)
    for token in older.values():
        assert (await anywhere.post(f"/email-confirmations/{token}")).status_code == 410
    results = [(await anywhere.post(f"/email-confirmations/{t}")).json()["result"] for t in newer.values()]
    assert results == ["other-link-awaited", "email-changed"]


async def test_given_three_days_when_a_link_is_opened_then_410_and_nothing_waits(anywhere: Identity) -> None:
    account_id = await opened(anywhere)
    await want(anywhere, account_id)
    tokens = await links(anywhere)
    anywhere.clock.on(days=3)
    assert (await anywhere.post(f"/email-confirmations/{tokens[NEW]}")).status_code == 410
    assert (await anywhere.account(account_id, account_id)).json()["newEmail"] is None


async def test_hazard_probing_addresses_by_wanting_them(anywhere: Identity) -> None:
    """Whoever wants another's address hears the same; the other hears nothing."""
    account_id = await opened(anywhere)
    await anywhere.open("o", email="anna@example.org", pesel="02070803628")
    await anywhere.mails()
    taken = await want(anywhere, account_id, "anna@example.org")
    assert taken.status_code == 200
    assert [mail["To"] for mail in await anywhere.mails()] == [OLD]
    free = await want(anywhere, account_id, "nobody@example.org")
    assert {**free.json(), "newEmail": ""} == {**taken.json(), "newEmail": ""}


async def test_hazard_the_address_is_taken_while_the_links_are_opened(anywhere: Identity) -> None:
    account_id = await opened(anywhere)
    await want(anywhere, account_id)
    tokens = await links(anywhere)
    await anywhere.post(f"/email-confirmations/{tokens[OLD]}")
    changed, signed_up = await asyncio.gather(
        anywhere.post(f"/email-confirmations/{tokens[NEW]}"),
        anywhere.open("o", email=NEW, pesel="02070803628"),
    )
    assert (changed.status_code, signed_up.status_code) in {(200, 409), (409, 201)}
    holder = await anywhere.accounts.of_address(NEW)
    owner = account_id if changed.status_code == 200 else signed_up.json()["accountId"]
    assert str(holder.account_id) == owner


async def test_hazard_a_reset_link_to_the_old_address_after_the_change(anywhere: Identity) -> None:
    account_id = await opened(anywhere)
    await anywhere.post("/password-resets", {"email": OLD})
    [reset] = await anywhere.mails()
    await want(anywhere, account_id)
    for token in (await links(anywhere)).values():
        assert (await anywhere.post(f"/email-confirmations/{token}")).status_code == 200
    answer = await anywhere.post(
        f"/password-resets/{token_of(reset)}", {"password": "siedem czapek na kołku"}
    )
    assert answer.status_code == 410
    assert (await anywhere.sign_in(NEW, PASSWORD)).status_code == 200


async def test_given_many_wishes_when_another_is_made_then_429(identity: Identity) -> None:
    account_id = await opened(identity)
    answers = [await want(identity, account_id, f"jan{n}@nowy.example") for n in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
