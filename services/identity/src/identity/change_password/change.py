"""How does a person who knows the password set another?"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identity.credentials import Credentials
from identity.my_accounts import MyAccounts
from identity.own_password import OwnPassword, PasswordWrong
from identity.password_changes import PasswordChanges
from identity.passwords import Passwords
from identity.rules.password import password_faults
from portal_chassis.positions import Positions
from portal_chassis.problems import FieldError, Invalid


@dataclass(frozen=True, slots=True)
class PasswordChanging:
    """What changing a password needs."""

    my_accounts: MyAccounts
    own_password: OwnPassword
    credentials: Credentials
    passwords: Passwords
    changes: PasswordChanges

    async def change(self, account_id: UUID, *, current: str, new: str, now: datetime) -> Positions:
        """Change a password; raises PasswordWrong, TooManyAttempts, Invalid or an Unavailable."""
        mine = await self.my_accounts.read(account_id, now=now)
        old_hash = await self.own_password.require(account_id, current, now)
        weak = await self.passwords.run(lambda: password_faults(new, mine.words, "/newPassword"))
        if weak:
            raise Invalid([FieldError(fault.pointer, fault.code, fault.detail) for fault in weak])
        new_hash = await self.passwords.hash(new)
        changed = await self.credentials.change(account_id, old_hash, new_hash, now)
        if changed is None:
            # Another change was faster: what was typed is not the present password any more.
            raise PasswordWrong
        return await self.changes.announce(changed)
