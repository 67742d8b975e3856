"""What does an account hold, for its owner's eyes?"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from identity.accounts import Accounts
from identity.data_keys import DataKeys
from identity.links import CONFIRMATION_LIFETIME
from identity.rules.account_unknown import AccountUnknown
from portal_events.identity import Level, Sex
from portal_eventstore.decision import KeyUnavailable


class MyAccount(BaseModel):
    """An account with its personal fields revealed; its repr shows none of them.

    `new_email`: an address that takes effect once the links to it and to the present one were opened.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    account_id: UUID
    patient_id: UUID
    level: Level
    email: str = Field(repr=False)
    email_confirmed: bool
    new_email: str | None = Field(repr=False)
    given_name: str = Field(repr=False)
    family_name: str = Field(repr=False)
    birth_date: str = Field(repr=False)
    sex: Sex = Field(repr=False)
    phone: str = Field(repr=False)
    language: str

    @property
    def words(self) -> list[str]:
        """What a guesser of this person's password would try first."""
        return [self.email, self.given_name, self.family_name, self.birth_date, self.phone]


@dataclass(frozen=True, slots=True)
class MyAccounts:
    """What reading accounts needs."""

    accounts: Accounts
    data_keys: DataKeys

    async def read(self, account_id: UUID, *, now: datetime) -> MyAccount:
        """Return one account; raises AccountUnknown or KeyUnavailable."""
        account = await self.accounts.account(account_id)
        if account is None:
            raise AccountUnknown
        registered = await self.accounts.registered(account.patient_id)
        if registered is None:
            raise AccountUnknown
        key = await self.data_keys.key(account.patient_id)
        if key is None:
            raise KeyUnavailable
        wanted = account.wanted_email
        if wanted is not None and now - wanted.requested_at >= CONFIRMATION_LIFETIME:
            # Its links have lapsed: nothing waits any more.
            wanted = None
        return MyAccount(
            account_id=account.account_id,
            patient_id=account.patient_id,
            level=account.level,
            email=account.email.reveal(key),
            email_confirmed=account.email_confirmed,
            new_email=None if wanted is None else wanted.email.reveal(key),
            given_name=(account.given_name or registered.given_name).reveal(key),
            family_name=(account.family_name or registered.family_name).reveal(key),
            birth_date=registered.birth_date.reveal(key),
            sex=registered.sex,
            phone=account.phone.reveal(key),
            language=account.language,
        )
