"""How is an identity confirmed, from what was seen to the event?"""

from dataclasses import dataclass
from datetime import datetime

from identity.accounts import OWNER, Accounts
from identity.command_context import command_context
from identity.confirm_identity.decide import CONFIRM_IDENTITY, ConfirmIdentity
from identity.data_keys import DataKeys
from identity.rules.account_unknown import AccountUnknown
from portal_chassis.positions import Positions, of_outcome
from portal_eventstore.decision import KeyUnavailable
from portal_eventstore.execute import Decider


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What confirming an identity needs around the decision."""

    accounts: Accounts
    decider: Decider
    data_keys: DataKeys

    async def confirm(self, command: ConfirmIdentity, *, now: datetime, actor: str) -> Positions:
        """Raise an account's level; raises the decision's refusals or an Unavailable.

        `actor` is the account at the desk, or `system:<name>`.
        """
        account = await self.accounts.account(command.account_id)
        if account is None:
            raise AccountUnknown
        key = await self.data_keys.key(account.patient_id)
        if key is None:
            raise KeyUnavailable
        context = command_context(now=now, actor=actor, key=key)
        return of_outcome(OWNER, await self.decider.execute(CONFIRM_IDENTITY, command, context))
