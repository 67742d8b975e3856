"""How does a person read the own account over HTTP?"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from identity.my_account.read import AccountUnknown, MyAccounts
from portal_chassis.access import CurrentCaller, NotSignedIn
from portal_chassis.problems import problems
from portal_eventstore.decision import KeyUnavailable, StoreUnavailable

router = APIRouter()


class Account(BaseModel):
    """The account, as its owner may see it."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    account_id: UUID
    patient_id: UUID
    email: str
    given_name: str
    family_name: str
    language: str
    level: str


def _my_accounts(request: Request) -> MyAccounts:
    my_accounts: MyAccounts = request.app.state.my_accounts
    return my_accounts


@router.get(
    "/accounts/{account_id}",
    responses=problems(NotSignedIn, AccountUnknown, KeyUnavailable, StoreUnavailable),
)
async def my_account(
    # Text, not UUID: what is no id at all is the same 404 as another's id.
    account_id: str,
    caller: CurrentCaller,
    my_accounts: Annotated[MyAccounts, Depends(_my_accounts)],
) -> Account:
    """Return the caller's own account."""
    if account_id != str(caller.account_id):
        raise AccountUnknown
    mine = await my_accounts.read(caller.account_id)
    return Account(
        account_id=mine.account_id,
        patient_id=mine.patient_id,
        email=mine.email,
        given_name=mine.given_name,
        family_name=mine.family_name,
        language=mine.language,
        level="basic",
    )
