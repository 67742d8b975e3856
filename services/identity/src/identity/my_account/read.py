"""What does an account hold, for its owner's eyes?"""

from dataclasses import dataclass, field
from uuid import UUID

from identity.accounts import Accounts
from identity.data_keys import DataKeys
from portal_events.identity import AccountCreated, PatientRegistered
from portal_events.sensitive import Plain, Sealed, reveal
from portal_events.stored import StoredEvent
from portal_eventstore.decision import KeyUnavailable, NotFound


class AccountUnknown(NotFound):
    """Nobody's, or somebody else's."""

    code = "account-unknown"
    title = "There is no such account"


@dataclass(frozen=True, slots=True)
class MyAccount:
    """An account with its personal fields revealed; its repr shows none of them."""

    account_id: UUID
    patient_id: UUID
    language: str
    email: str = field(repr=False)
    given_name: str = field(repr=False)
    family_name: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MyAccounts:
    """What reading accounts needs."""

    accounts: Accounts
    data_keys: DataKeys

    async def read(self, account_id: UUID) -> MyAccount:
        """Return one account; raises AccountUnknown or KeyUnavailable."""
        created = await self.accounts.created(account_id)
        account = None if created is None else created.decode()
        if created is None or not isinstance(account, AccountCreated):
            raise AccountUnknown
        registered = await self.accounts.registered(account.patient_id)
        patient = None if registered is None else registered.decode()
        if registered is None or not isinstance(patient, PatientRegistered):
            raise AccountUnknown
        key = await self._key(account.patient_id)
        return MyAccount(
            account_id=account.account_id,
            patient_id=account.patient_id,
            language=account.language,
            email=_text(account.email, key, created, "email"),
            given_name=_text(patient.given_name, key, registered, "given_name"),
            family_name=_text(patient.family_name, key, registered, "family_name"),
        )

    async def _key(self, patient_id: UUID) -> bytes:
        key = await self.data_keys.key(patient_id)
        if key is None:
            raise KeyUnavailable
        return key


def _text(value: Plain | Sealed, key: bytes, stored: StoredEvent, name: str) -> str:
    if isinstance(value, Plain):
        raise TypeError(f"{name} of a stored event is not sealed")
    return reveal(value, key=key, event_id=stored.id, field=name)
