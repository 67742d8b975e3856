"""How does a person read the own account over HTTP?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from identity.my_accounts import MyAccount, MyAccounts
from identity.rules.account_unknown import AccountUnknown
from portal_chassis.access import CurrentCaller, NotSignedIn
from portal_chassis.clock import CurrentTime
from portal_chassis.problems import problems
from portal_eventstore.decision import KeyUnavailable, StoreUnavailable

router = APIRouter()


async def _my_accounts(request: Request) -> MyAccounts:
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
    now: CurrentTime,
    my_accounts: Annotated[MyAccounts, Depends(_my_accounts)],
) -> MyAccount:
    """Return the caller's own account."""
    if account_id != str(caller.account_id):
        raise AccountUnknown
    return await my_accounts.read(caller.account_id, now=now)
