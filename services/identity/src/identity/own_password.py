"""Is it still the owner who sits at a signed-in browser?

What changes how an account is entered asks for the password again.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identity.credentials import Credentials
from identity.limits import Limits
from identity.passwords import Passwords
from portal_eventstore.decision import Forbidden


class PasswordWrong(Forbidden):
    """The present password was asked for, and this is another."""

    code = "password-wrong"
    title = "The password is not right"


@dataclass(frozen=True, slots=True)
class OwnPassword:
    """What checking it needs."""

    credentials: Credentials
    passwords: Passwords
    limits: Limits

    async def require(self, account_id: UUID, typed: str, now: datetime) -> str:
        """Return the password's hash; raises PasswordWrong, TooManyAttempts or Busy."""
        attempt = await self.limits.own_guess(account_id, now)
        password_hash = await self.credentials.password_hash(account_id)
        if not await self.passwords.verify(typed, password_hash) or password_hash is None:
            raise PasswordWrong
        await self.limits.own_right(attempt)
        return password_hash
