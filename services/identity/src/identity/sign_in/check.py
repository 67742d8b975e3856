"""Are these the right address and password?

An unknown address, a wrong password and an account without a password look the same, and take the same steps.
Staff sign in elsewhere, with a second factor: here their addresses are nobody's.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from identity.accounts import Accounts
from identity.credentials import Credentials
from identity.limits import Limits
from identity.passwords import Passwords
from portal_events.identity import Level
from portal_eventstore.decision import Refusal


class SignInFailed(Refusal):
    """One wording for every cause."""

    code = "sign-in-failed"
    title = "The e-mail address or the password is not right"
    status = 401


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whose credentials these are."""

    account_id: UUID
    patient_id: UUID
    level: Level


@dataclass(frozen=True, slots=True)
class SignIn:
    """What checking credentials needs."""

    accounts: Accounts
    credentials: Credentials
    passwords: Passwords
    limits: Limits

    async def check(self, email: str, password: str, *, client: str, now: datetime) -> SignedIn:
        """Return the account; raises SignInFailed or TooManyAttempts. A hash of old parameters is renewed."""
        email_tag = self.accounts.email_tag(email)
        guess = await self.limits.guess(email_tag, client, now)
        try:
            who = await self._check(email_tag, password, now)
        except SignInFailed:
            raise
        except Exception:
            await self.limits.unjudged(guess)
            raise
        await self.limits.right(guess, now)
        return who

    async def _check(self, email_tag: str, password: str, now: datetime) -> SignedIn:
        holder = await self.accounts.holder(email_tag)
        # Without an account its events and its hash are looked up all the same, and a hash is verified.
        account_id = uuid7() if holder is None else holder.account_id
        account = await self.accounts.account(account_id)
        password_hash = await self.credentials.password_hash(account_id)
        matches = await self.passwords.verify(password, password_hash)
        # While it was verified, the password may have been changed: the old one opens nothing any more.
        newest = await self.credentials.password_hash(account_id)
        if matches and newest != password_hash:
            password_hash, matches = newest, await self.passwords.verify(password, newest)
        if account is None or password_hash is None or not matches:
            raise SignInFailed
        if self.passwords.outdated(password_hash):
            renewed = await self.passwords.hash(password)
            await self.credentials.renew(account_id, password_hash, renewed, now)
        return SignedIn(account.account_id, account.patient_id, account.level)
