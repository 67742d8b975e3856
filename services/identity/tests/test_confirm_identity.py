"""When is somebody taken to be the person an account names, and is the level full from then on?"""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from identity.app import handlers
from identity.confirm_identity.decide import (
    CONFIRM_IDENTITY,
    AlreadyConfirmed,
    ConfirmIdentity,
    DocumentInvalid,
)
from identity.rules.account_unknown import AccountUnknown
from portal_events.identity import ConfirmationMethod, IdentityConfirmed
from portal_events.sensitive import Plain
from portal_events.testing import signed_up
from portal_eventstore.decision import KeyUnavailable
from portal_eventstore.spec import given

from .conftest import NOW

Identity = Any
"""The fixtures' service (conftest.py)."""

ACCOUNT, PATIENT = UUID(int=1), UUID(int=2)
COMMAND = ConfirmIdentity(
    account_id=ACCOUNT,
    method=ConfirmationMethod.FACILITY,
    document="identity-card",
    last_four=Plain("1234"),
)
CREATED = signed_up(PATIENT, account_id=ACCOUNT)
CONFIRMED = IdentityConfirmed(
    account_id=ACCOUNT,
    patient_id=PATIENT,
    method=ConfirmationMethod.FACILITY,
    document="identity-card",
    last_four=Plain("1234"),
)
BANK = ConfirmIdentity(account_id=ACCOUNT, method=ConfirmationMethod.BANK)


def test_given_an_account_when_confirmed_then_with_what_was_seen() -> None:
    given(CONFIRM_IDENTITY, CREATED).when(COMMAND).then(CONFIRMED)


def test_given_a_bank_when_confirmed_then_without_a_document() -> None:
    confirmed = IdentityConfirmed(account_id=ACCOUNT, patient_id=PATIENT, method=ConfirmationMethod.BANK)
    given(CONFIRM_IDENTITY, CREATED).when(BANK).then(confirmed)


def test_given_the_same_confirmation_when_repeated_then_nothing() -> None:
    given(CONFIRM_IDENTITY, CREATED, CONFIRMED).when(COMMAND).then_nothing()


@pytest.mark.parametrize("command", [BANK, replace(COMMAND, document="passport")])
def test_given_another_confirmation_when_confirmed_then_refused(command: ConfirmIdentity) -> None:
    given(CONFIRM_IDENTITY, CREATED, CONFIRMED).when(command).then_refused(AlreadyConfirmed)


def test_given_no_account_when_confirmed_then_refused() -> None:
    given(CONFIRM_IDENTITY).when(COMMAND).then_refused(AccountUnknown)


@pytest.mark.parametrize(
    "command",
    [
        replace(COMMAND, document=None),
        replace(COMMAND, last_four=None),
        replace(COMMAND, document="library-card"),
        replace(COMMAND, last_four=Plain("12345")),
        replace(COMMAND, last_four=Plain("12 4")),
        replace(BANK, document="passport"),
        replace(BANK, last_four=Plain("1234")),
    ],
)
def test_given_no_document_where_one_is_seen_when_confirmed_then_refused(command: ConfirmIdentity) -> None:
    given(CONFIRM_IDENTITY, CREATED).when(command).then_refused(DocumentInvalid)


async def test_given_an_account_when_confirmed_then_its_level_is_full_everywhere(identity: Identity) -> None:
    opened = (await identity.open()).json()
    account_id = UUID(opened["accountId"])
    command = replace(COMMAND, account_id=account_id)
    confirmation = handlers(identity.parts).confirmation
    assert (await identity.sign_in(identity.form["email"], identity.form["password"])).json()[
        "level"
    ] == "basic"
    for _ in range(2):
        await confirmation.confirm(command, now=NOW, actor="system:demo")
    assert await identity.parts.store.head() == 3
    account = await identity.account(str(account_id), str(account_id))
    assert account.json()["level"] == "full"
    signed_in = await identity.sign_in(identity.form["email"], identity.form["password"])
    assert signed_in.json()["level"] == "full"
    *_, stored = await identity.parts.store.tail(0, 10)
    assert "1234" not in stored.data.replace(stored.data.split("sealed:v1:")[1], "")


async def test_given_no_account_or_no_key_when_confirmed_then_refused(identity: Identity) -> None:
    confirmation = handlers(identity.parts).confirmation
    with pytest.raises(AccountUnknown):
        await confirmation.confirm(COMMAND, now=NOW, actor="system:demo")
    opened = (await identity.open()).json()
    await identity.parts.data_keys.remove(UUID(opened["patientId"]))
    with pytest.raises(KeyUnavailable):
        await confirmation.confirm(
            replace(COMMAND, account_id=UUID(opened["accountId"])), now=NOW, actor="system:demo"
        )
