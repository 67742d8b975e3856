"""How does a person who lost the password set another, without signing in?

By a link sent to the account's address. Asking for it costs and says the same whoever asks for whom: the
address is looked up by the worker that sends the mail.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from identity.accounts import Accounts
from identity.credentials import Credentials
from identity.limits import Limits
from identity.links import Links, Purpose, digest_of
from identity.mail_orders import MailKind, MailOrder, MailOrders
from identity.my_accounts import MyAccounts
from identity.password_changes import PasswordChanges
from identity.passwords import Passwords
from identity.rules.link_expired import LinkExpired
from identity.rules.password import password_faults
from portal_chassis.positions import Positions
from portal_chassis.problems import FieldError, Invalid


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """What a reset needs."""

    accounts: Accounts
    my_accounts: MyAccounts
    credentials: Credentials
    passwords: Passwords
    changes: PasswordChanges
    links: Links
    orders: MailOrders
    limits: Limits

    async def request(self, email: str, *, client: str, now: datetime) -> None:
        """Order the mail, unless its addressee has had enough of them; raises TooManyAttempts."""
        await self.limits.reset(client, now)
        email_tag = self.accounts.email_tag(email)
        if await self.limits.reset_mail(email_tag, now):
            order = MailOrder(id=uuid7(), kind=MailKind.RESET_PASSWORD, email_tag=email_tag, ordered_at=now)
            await self.orders.put(order)

    async def use(self, token: str, password: str, *, client: str, now: datetime) -> tuple[UUID, Positions]:
        """Set a new password; raises LinkExpired, Invalid or an Unavailable. A weak one leaves the link."""
        digest = digest_of(token)
        link = await self.links.find(digest, now)
        if link is None or link.purpose is not Purpose.RESET_PASSWORD:
            raise LinkExpired
        account = await self.accounts.account(link.account_id)
        if account is None or account.email_tag != link.email_tag:
            # The account has another address by now: this one's mailbox opens it no more.
            raise LinkExpired
        mine = await self.my_accounts.read(account.account_id, now=now)
        weak = await self.passwords.run(lambda: password_faults(password, mine.words))
        if weak:
            raise Invalid([FieldError(fault.pointer, fault.code, fault.detail) for fault in weak])
        changed = await self.credentials.reset(digest, await self.passwords.hash(password), now)
        if changed is None:
            raise LinkExpired
        positions = await self.changes.announce(changed)
        await self.limits.owner(account.email_tag, client, now)
        return account.account_id, positions
