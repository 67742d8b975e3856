"""How does a member of staff get an account, from what is known of the person to the event?

Hash and data key are stored first, as with a patient's account. The id is the caller's, so that a repeat
changes nothing: it finds the first one's rows and keeps them, the first password included.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identity.accounts import OWNER
from identity.command_context import command_context
from identity.credentials import Credentials
from identity.data_keys import DataKeys
from identity.open_staff_account.decide import OPEN_STAFF_ACCOUNT, OpenStaffAccount
from identity.passwords import Passwords
from identity.rules.form import Fault, email_faults, name_faults
from identity.rules.password import password_faults
from portal_chassis.positions import Positions, of_outcome
from portal_chassis.problems import FieldError, Invalid
from portal_events.blind import BlindIndex, normalise_email
from portal_events.identity import Role
from portal_events.sensitive import Plain
from portal_eventstore.execute import Decider


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Member:
    """A member of staff, as it was typed; its repr shows nothing of it."""

    email: str
    password: str
    name: str
    roles: tuple[Role, ...]

    @property
    def faults(self) -> list[Fault]:
        """Say what is wrong, but for the password's strength."""
        found = [*email_faults(self.email), *name_faults("/name", self.name)]
        if not self.roles:
            found.append(Fault("/roles", "role-missing", "A member of staff has a role"))
        return found


@dataclass(frozen=True, slots=True)
class Personnel:
    """What opening a staff account needs around the decision."""

    decider: Decider
    credentials: Credentials
    data_keys: DataKeys
    blind_index: BlindIndex
    passwords: Passwords

    async def open(self, member: Member, *, account_id: UUID, now: datetime, actor: str) -> Positions:
        """Open an account under a new id; raises Invalid, AccountExists or an Unavailable."""
        words = [member.email, member.name]
        weak = await self.passwords.run(lambda: password_faults(member.password, words))
        if faults := [*member.faults, *weak]:
            raise Invalid([FieldError(f.pointer, f.code, f.detail) for f in faults])
        command = OpenStaffAccount(
            account_id=account_id,
            email=Plain(member.email),
            email_tag=self.blind_index.tag(normalise_email(member.email)),
            name=Plain(member.name),
            roles=member.roles,
        )
        if await self.credentials.password_hash(account_id) is None:
            await self.credentials.add(account_id, await self.passwords.hash(member.password), now)
        key = await self.data_keys.issue(account_id)
        context = command_context(now=now, actor=actor, key=key)
        return of_outcome(OWNER, await self.decider.execute(OPEN_STAFF_ACCOUNT, command, context))
