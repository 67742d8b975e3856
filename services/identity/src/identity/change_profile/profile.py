"""How does an account change by its owner's hand, from what was typed to the events?"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from identity.accounts import OWNER, Accounts
from identity.change_profile.decide import CHANGE_PROFILE, ChangeProfile
from identity.command_context import command_context
from identity.data_keys import DataKeys
from identity.limits import Limits
from identity.my_accounts import MyAccount, MyAccounts
from identity.own_password import OwnPassword
from identity.rules.form import Fault, email_faults, language_faults, name_faults, phone_faults
from portal_chassis.positions import Positions, merge, of_outcome
from portal_chassis.problems import FieldError, Invalid
from portal_events.sensitive import Plain
from portal_eventstore.decision import KeyUnavailable
from portal_eventstore.execute import Decider


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Typed:
    """What the owner typed; None where nothing was. Its repr shows nothing of it."""

    given_name: str | None = None
    family_name: str | None = None
    phone: str | None = None
    language: str | None = None
    email: str | None = None
    current_password: str | None = None


class RequestsEmailChange(Protocol):
    """What begins a change of the address."""

    async def request(self, account_id: UUID, email: str, *, now: datetime) -> Positions:
        """Ask for the links to be sent."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What changing an account needs."""

    accounts: Accounts
    my_accounts: MyAccounts
    decider: Decider
    data_keys: DataKeys
    own_password: OwnPassword
    limits: Limits
    email_change: RequestsEmailChange

    async def change(self, account_id: UUID, typed: Typed, *, now: datetime) -> Positions:
        """Change what was typed, or nothing of it.

        Raises Invalid, AccountUnknown, PasswordWrong, TooManyAttempts or an Unavailable.
        """
        mine = await self.my_accounts.read(account_id, now=now)
        new_email = typed.email
        if new_email is not None and self.accounts.email_tag(new_email) == self.accounts.email_tag(
            mine.email
        ):
            new_email = None
        if faults := [*_faults(typed, new_email)]:
            raise Invalid([FieldError(fault.pointer, fault.code, fault.detail) for fault in faults])
        if new_email is not None:
            await self.own_password.require(account_id, typed.current_password or "", now)
            await self.limits.mail(account_id, now)
        positions = await self._change_profile(mine, typed, now)
        if new_email is None:
            return positions
        return merge(positions, await self.email_change.request(account_id, new_email, now=now))

    async def _change_profile(self, mine: MyAccount, typed: Typed, now: datetime) -> Positions:
        key = await self.data_keys.key(mine.patient_id)
        if key is None:
            raise KeyUnavailable
        command = ChangeProfile(
            account_id=mine.account_id,
            given_name=_new(typed.given_name, mine.given_name),
            family_name=_new(typed.family_name, mine.family_name),
            phone=_new(typed.phone, mine.phone),
            language=None if typed.language == mine.language else typed.language,
        )
        context = command_context(now=now, actor=str(mine.account_id), key=key)
        return of_outcome(OWNER, await self.decider.execute(CHANGE_PROFILE, command, context))


def _faults(typed: Typed, new_email: str | None) -> Iterator[Fault]:
    if new_email is not None:
        yield from email_faults(new_email)
        if typed.current_password is None:
            detail = "A new e-mail address asks for the present password"
            yield Fault("/currentPassword", "missing", detail)
    if typed.given_name is not None:
        yield from name_faults("/givenName", typed.given_name)
    if typed.family_name is not None:
        yield from name_faults("/familyName", typed.family_name)
    if typed.phone is not None:
        yield from phone_faults(typed.phone)
    if typed.language is not None:
        yield from language_faults(typed.language)


def _new(typed: str | None, known: str) -> Plain | None:
    return None if typed is None or typed == known else Plain(typed)
