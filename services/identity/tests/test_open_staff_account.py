"""When does a member of staff get an account?"""

from typing import Any
from uuid import UUID

import pytest

from identity.app import handlers
from identity.open_staff_account.decide import OPEN_STAFF_ACCOUNT, OpenStaffAccount
from identity.open_staff_account.personnel import Member
from identity.rules.email_holder import AccountExists
from portal_chassis.problems import Invalid
from portal_events.identity import AccountCreated, EmailChanged, Role, StaffAccountCreated
from portal_events.sensitive import Plain
from portal_events.testing import signed_up
from portal_eventstore.spec import given

from .conftest import NOW

Identity = Any
"""The fixtures' service (conftest.py)."""

ACCOUNT = UUID(int=1)
COMMAND = OpenStaffAccount(
    account_id=ACCOUNT,
    email=Plain("anna@example.org"),
    email_tag="v1:aa",
    name=Plain("Anna Lis"),
    roles=(Role.DESK, Role.OPERATOR),
)
CREATED = StaffAccountCreated(
    account_id=ACCOUNT,
    email=Plain("anna@example.org"),
    email_tag="v1:aa",
    name=Plain("Anna Lis"),
    roles=(Role.DESK, Role.OPERATOR),
)
PATIENT = signed_up(UUID(int=9), account_id=UUID(int=8), email_tag="v1:aa")
MEMBER = Member(
    email="anna@example.org", password="czerwony rower w piwnicy", name="Anna Lis", roles=(Role.DESK,)
)


def test_given_nobody_when_opened_then_an_account_with_its_roles() -> None:
    given(OPEN_STAFF_ACCOUNT).when(COMMAND).then(CREATED)


def test_given_the_same_account_when_opened_again_then_nothing() -> None:
    given(OPEN_STAFF_ACCOUNT, CREATED).when(COMMAND).then_nothing()


@pytest.mark.parametrize("other", [PATIENT, CREATED.model_copy(update={"account_id": UUID(int=8)})])
def test_given_the_address_has_an_account_when_opened_then_refused(
    other: AccountCreated | StaffAccountCreated,
) -> None:
    given(OPEN_STAFF_ACCOUNT, other).when(COMMAND).then_refused(AccountExists)


def test_given_the_address_was_given_up_when_opened_then_opened() -> None:
    gone = EmailChanged(
        account_id=PATIENT.account_id,
        patient_id=PATIENT.patient_id,
        email=Plain("x"),
        email_tag="v1:cc",
        released_email_tag="v1:aa",
    )
    given(OPEN_STAFF_ACCOUNT, PATIENT, gone).when(COMMAND).then(CREATED)


async def test_given_a_member_when_opened_twice_then_one_account_sealed_with_the_first_password(
    identity: Identity,
) -> None:
    personnel = handlers(identity.parts).personnel
    await personnel.open(MEMBER, account_id=ACCOUNT, now=NOW, actor="system:demo")
    first = await identity.parts.credentials.password_hash(ACCOUNT)
    await personnel.open(MEMBER, account_id=ACCOUNT, now=NOW, actor="system:demo")
    [created] = await identity.parts.store.tail(0, 10)
    assert created.type == "StaffAccountCreated"
    assert "anna" not in repr(created).lower()
    assert await identity.parts.credentials.password_hash(ACCOUNT) == first
    assert await identity.credential_rows() == await identity.key_rows() == {ACCOUNT}


async def test_given_a_staff_account_when_its_address_signs_up_or_in_as_a_patient_then_refused(
    identity: Identity,
) -> None:
    await handlers(identity.parts).personnel.open(MEMBER, account_id=ACCOUNT, now=NOW, actor="system:demo")
    assert (await identity.open(email="Anna@example.org")).status_code == 409
    # Staff sign in with a second factor, and not here.
    assert (await identity.sign_in(MEMBER.email, MEMBER.password)).status_code == 401
    with pytest.raises(AccountExists):
        await handlers(identity.parts).personnel.open(
            MEMBER, account_id=UUID(int=2), now=NOW, actor="system:demo"
        )


async def test_given_a_faulty_member_when_opened_then_refused_and_nothing_is_kept(identity: Identity) -> None:
    faulty = Member(email="anna", password="anna", name=" ", roles=())
    with pytest.raises(Invalid) as refused:
        await handlers(identity.parts).personnel.open(
            faulty, account_id=ACCOUNT, now=NOW, actor="system:demo"
        )
    assert [(error.pointer, error.code) for error in refused.value.errors] == [
        ("/email", "email-invalid"),
        ("/name", "name-missing"),
        ("/roles", "role-missing"),
        ("/password", "password-weak"),
    ]
    assert await identity.credential_rows() == await identity.key_rows() == set()
    assert "anna" not in repr(faulty)
