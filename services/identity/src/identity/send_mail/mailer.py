"""How does a mail that was ordered come to be sent?

Only here is the address looked up and revealed, and the link's token made: neither is kept. A token is made
when the server is there to take its mail, and is valid from then on. What the server does not take is tried
again, more and more rarely, for a day. A mail whose acceptance was not heard of is sent again with a new
link, which replaces the other.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Final

import structlog

from identity.accounts import Account, Accounts, SealedText
from identity.data_keys import DataKeys
from identity.links import Link, Links, Purpose, digest_of, new_token
from identity.mail_orders import MailKind, MailOrder, MailOrders
from identity.send_mail.message import Letterhead
from identity.send_mail.order import WORTH_SENDING, order_mails
from identity.send_mail.smtp import (
    TIMEOUT_SECONDS,
    MailDelayedError,
    MailRefusedError,
    Post,
    ServerAwayError,
)
from portal_eventstore.store import EventStore

LEASE: Final = timedelta(seconds=3 * TIMEOUT_SECONDS)
"""Longer than any sender is at one mail: connecting, sending, and looking things up."""

_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=10)
_DOUBLINGS: Final = 16

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Recipient:
    """Who gets a mail, and what the link in it is about."""

    account: Account
    address: SealedText
    email_tag: str


@dataclass(slots=True)
class Mailer:
    """Sends what is ordered. `problem` says why the server takes nothing, None when it does."""

    store: EventStore
    accounts: Accounts
    data_keys: DataKeys
    orders: MailOrders
    links: Links
    letterhead: Letterhead
    post: Post
    problem: str | None = None

    async def work(self, now: datetime) -> bool:
        """Order what events cause and send what is due; False when there is nothing more to do for now."""
        more = await order_mails(self.store, self.orders, now)
        for old in await self.orders.give_up(now - WORTH_SENDING):
            _log.warning("mail given up", order=str(old.id), kind=old.kind, attempts=old.attempts)
        try:
            while order := await self.orders.claim(now, LEASE):
                try:
                    await self._send(order, now)
                except (MailDelayedError, ServerAwayError):
                    await self.orders.postpone(order.id, now + _pause(order.attempts))
                    raise
                await self.orders.done(order.id)
        except MailDelayedError as error:
            # Only this one waits.
            _log.info("mail delayed", reason=str(error))
            return True
        except ServerAwayError as error:
            self.problem = f"the mail server takes nothing ({error})"
            _log.warning("mail server away", reason=str(error))
            return False
        finally:
            await self.post.close()
        return more

    async def _send(self, order: MailOrder, now: datetime) -> None:
        await self.post.open()
        self.problem = None
        message = await self._write(order, now)
        if message is None:
            return
        try:
            await self.post.deliver(message)
        except MailRefusedError as error:
            _log.warning("mail refused", order=str(order.id), kind=order.kind, reason=str(error))
        else:
            _log.info("mail sent", order=str(order.id), kind=order.kind)

    async def _write(self, order: MailOrder, now: datetime) -> EmailMessage | None:
        """Return the mail; None when there is nobody to send it to, or nothing to say any more."""
        recipient = await self._recipient(order)
        key = None if recipient is None else await self.data_keys.key(recipient.account.patient_id)
        if recipient is None or key is None:
            return None
        token: str | None = None
        if order.kind is not MailKind.PASSWORD_CHANGED:
            token = new_token()
            purpose = Purpose(order.kind.value)
            await self.links.put(
                Link(
                    digest=digest_of(token),
                    purpose=purpose,
                    account_id=recipient.account.account_id,
                    email_tag=recipient.email_tag,
                    expires_at=now + purpose.lifetime,
                )
            )
        return self.letterhead.write(
            order.kind,
            to=recipient.address.reveal(key),
            language=recipient.account.language,
            token=token,
            now=now,
        )

    async def _recipient(self, order: MailOrder) -> _Recipient | None:
        account = await self._account(order)
        if account is None:
            return None
        wanted = account.wanted_email
        match order.kind:
            case MailKind.RESET_PASSWORD | MailKind.PASSWORD_CHANGED:
                return _Recipient(account, account.email, account.email_tag)
            case MailKind.CONFIRM_EMAIL if not account.email_confirmed:
                return _Recipient(account, account.email, account.email_tag)
            case MailKind.APPROVE_FROM_OLD_EMAIL if wanted and wanted.email_tag == order.email_tag:
                return _Recipient(account, account.email, wanted.email_tag)
            case MailKind.APPROVE_FROM_NEW_EMAIL if wanted and wanted.email_tag == order.email_tag:
                # That it is somebody's address already is told to nobody: the mail is left out.
                taken = await self.accounts.holder(wanted.email_tag) is not None
                return None if taken else _Recipient(account, wanted.email, wanted.email_tag)
        return None

    async def _account(self, order: MailOrder) -> Account | None:
        if order.account_id is not None:
            return await self.accounts.account(order.account_id)
        holder = await self.accounts.holder(order.email_tag or "")
        return None if holder is None else await self.accounts.account(holder.account_id)


def _pause(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts."""
    pause: timedelta = min(_FIRST_PAUSE * 2 ** min(attempts - 1, _DOUBLINGS), _LONGEST_PAUSE)
    return pause
