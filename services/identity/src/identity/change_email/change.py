"""How does an account get another e-mail address, from the wish to the second link?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from identity.accounts import OWNER, Accounts
from identity.change_email.decide import (
    APPROVE_EMAIL_CHANGE,
    REQUEST_EMAIL_CHANGE,
    ApproveEmailChange,
    RequestEmailChange,
)
from identity.command_context import command_context
from identity.data_keys import DataKeys
from identity.links import Link, Opened, Purpose, Result
from identity.rules.account_unknown import AccountUnknown
from identity.rules.link_expired import LinkExpired
from portal_chassis.positions import Positions, of_outcome
from portal_events.identity import ChangedAddress, EmailChanged
from portal_events.sensitive import Plain
from portal_eventstore.decision import KeyUnavailable
from portal_eventstore.execute import Decider

_ADDRESSES: Final = {
    Purpose.APPROVE_FROM_OLD_EMAIL: ChangedAddress.OLD,
    Purpose.APPROVE_FROM_NEW_EMAIL: ChangedAddress.NEW,
}


@dataclass(frozen=True, slots=True)
class EmailChange:
    """What changing an address needs. The mails with the links follow from the request's event."""

    accounts: Accounts
    decider: Decider
    data_keys: DataKeys

    async def request(self, account_id: UUID, email: str, *, now: datetime) -> Positions:
        """Ask for another address; raises AccountUnknown or an Unavailable."""
        account = await self.accounts.account(account_id)
        if account is None:
            raise AccountUnknown
        command = RequestEmailChange(
            account_id=account_id, email=Plain(email), email_tag=self.accounts.email_tag(email)
        )
        context = command_context(now=now, actor=str(account_id), key=await self._key(account.patient_id))
        return of_outcome(OWNER, await self.decider.execute(REQUEST_EMAIL_CHANGE, command, context))

    async def open(self, link: Link, *, now: datetime) -> Opened:
        """Approve by one of the two links; raises LinkExpired, AccountExists or an Unavailable."""
        account = await self.accounts.account(link.account_id)
        wanted = None if account is None else account.wanted_email
        if account is None or wanted is None or wanted.email_tag != link.email_tag:
            # The address below must be the one that the link is about.
            raise LinkExpired
        key = await self._key(account.patient_id)
        command = ApproveEmailChange(
            account_id=link.account_id,
            address=_ADDRESSES[link.purpose],
            # Sealed anew, for the event that it will stand in.
            email=Plain(wanted.email.reveal(key)),
            email_tag=link.email_tag,
        )
        context = command_context(now=now, actor=str(link.account_id), key=key)
        outcome = await self.decider.execute(APPROVE_EMAIL_CHANGE, command, context)
        changed = any(isinstance(event, EmailChanged) for event in outcome.events)
        result = Result.EMAIL_CHANGED if changed else Result.OTHER_LINK_AWAITED
        return Opened(result, of_outcome(OWNER, outcome))

    async def _key(self, patient_id: UUID) -> bytes:
        key = await self.data_keys.key(patient_id)
        if key is None:
            raise KeyUnavailable
        return key
