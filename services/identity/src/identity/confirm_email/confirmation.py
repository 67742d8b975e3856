"""How is an address confirmed, and the link sent again?

The event comes first and the link is used up after it: a crash in between leaves a link that changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from identity.accounts import OWNER
from identity.command_context import command_context
from identity.confirm_email.decide import CONFIRM_EMAIL, ConfirmEmail
from identity.limits import Limits
from identity.links import Link, Links, Opened, OpensLink, Purpose, Result, digest_of
from identity.mail_orders import MailKind, MailOrder, MailOrders
from identity.rules.link_expired import LinkExpired
from portal_chassis.positions import of_outcome
from portal_eventstore.execute import Decider


@dataclass(frozen=True, slots=True)
class EmailConfirming:
    """Opens the links that confirm an account's present address."""

    decider: Decider

    async def open(self, link: Link, *, now: datetime) -> Opened:
        """Confirm the address; raises LinkExpired or an Unavailable."""
        command = ConfirmEmail(account_id=link.account_id, email_tag=link.email_tag)
        context = command_context(now=now, actor=str(link.account_id))
        outcome = await self.decider.execute(CONFIRM_EMAIL, command, context)
        return Opened(Result.EMAIL_CONFIRMED, of_outcome(OWNER, outcome))


@dataclass(frozen=True, slots=True)
class Confirmations:
    """All links that confirm an address, the present one or one to come."""

    links: Links
    orders: MailOrders
    limits: Limits
    openers: Mapping[Purpose, OpensLink]

    async def send_again(self, account_id: UUID, *, now: datetime) -> None:
        """Order the mail; the worker drops it when there is nothing to confirm. Raises TooManyAttempts."""
        await self.limits.mail(account_id, now)
        await self.orders.put(
            MailOrder(id=uuid7(), kind=MailKind.CONFIRM_EMAIL, account_id=account_id, ordered_at=now)
        )

    async def open(self, token: str, *, now: datetime) -> Opened:
        """Use a link; raises LinkExpired, what its purpose refuses, or an Unavailable."""
        digest = digest_of(token)
        link = await self.links.find(digest, now)
        opener = None if link is None else self.openers.get(link.purpose)
        if link is None or opener is None:
            raise LinkExpired
        opened = await opener.open(link, now=now)
        await self.links.remove(digest)
        return opened
