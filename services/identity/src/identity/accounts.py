"""What does the log itself say of an account?

The store is asked, not a view: signing in works while Kafka is down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from identity.rules.email_holder import Holder, email_criterion, holder_of
from portal_events.base import Event
from portal_events.blind import BlindIndex, EmailMalformedError, normalise_email
from portal_events.identity import (
    AccountCreated,
    EmailChanged,
    EmailChangeRequested,
    EmailConfirmed,
    IdentityConfirmed,
    Level,
    PatientRegistered,
    ProfileChanged,
    Sex,
)
from portal_events.sensitive import Plain, Sealed, reveal
from portal_events.stored import StoredEvent
from portal_eventstore.decision import Criterion, about
from portal_eventstore.store import EventStore, Query

OWNER: Final = "identity"
"""Whose log this is."""

_ABOUT_AN_ACCOUNT: Final[tuple[type[Event], ...]] = (
    AccountCreated,
    ProfileChanged,
    EmailConfirmed,
    EmailChangeRequested,
    EmailChanged,
    IdentityConfirmed,
)


@dataclass(frozen=True, slots=True)
class SealedText:
    """A sensitive field where it stands."""

    value: Sealed
    event_id: UUID
    field: str

    def reveal(self, key: bytes) -> str:
        """Return the text; raises UnsealError."""
        return reveal(self.value, key=key, event_id=self.event_id, field=self.field)


@dataclass(frozen=True, slots=True)
class WantedEmail:
    """An address that waits for its links to be opened."""

    email: SealedText
    email_tag: str
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A patient's account as it is now. Names are None as long as those of the registration hold."""

    account_id: UUID
    patient_id: UUID
    email: SealedText
    email_tag: str
    email_confirmed: bool = False
    wanted_email: WantedEmail | None = None
    given_name: SealedText | None = None
    family_name: SealedText | None = None
    phone: SealedText
    language: str
    level: Level = Level.BASIC


@dataclass(frozen=True, slots=True)
class Registered:
    """What a person was registered with."""

    given_name: SealedText
    family_name: SealedText
    birth_date: SealedText
    sex: Sex


class Accounts:
    """Reads accounts from identity's store."""

    def __init__(self, store: EventStore, blind_index: BlindIndex) -> None:
        """Take the store and the index that the tags were made with."""
        self._store = store
        self._blind_index = blind_index

    def email_tag(self, typed: str) -> str:
        """Return the tag of an address, however it is spelt; of what is none, a tag that nobody has."""
        try:
            return self._blind_index.tag(normalise_email(typed))
        except (EmailMalformedError, UnicodeEncodeError):
            # No address holds a NUL. Half a character has no bytes.
            return self._blind_index.tag("\x00" + typed.encode(errors="replace").decode())

    async def of_address(self, typed: str) -> Holder | None:
        """Return whose address this is."""
        return await self.holder(self.email_tag(typed))

    async def holder(self, email_tag: str) -> Holder | None:
        """Return whose address has this tag."""
        stored = await self._load(email_criterion(email_tag))
        return holder_of(email_tag, [event.decode() for event in stored])

    async def account(self, account_id: UUID) -> Account | None:
        """Return a patient's account; None when there is none."""
        account: Account | None = None
        for stored in await self._load(about(f"account:{account_id}", _ABOUT_AN_ACCOUNT)):
            account = _after(account, stored)
        return account

    async def registered(self, patient_id: UUID) -> Registered | None:
        """Return what a patient was registered with."""
        for stored in await self._load(about(f"patient:{patient_id}", (PatientRegistered,))):
            match stored.decode():
                case PatientRegistered() as patient:
                    return Registered(
                        given_name=_text(patient.given_name, stored, "given_name"),
                        family_name=_text(patient.family_name, stored, "family_name"),
                        birth_date=_text(patient.birth_date, stored, "birth_date"),
                        sex=patient.sex,
                    )
        return None

    async def _load(self, criterion: Criterion) -> Sequence[StoredEvent]:
        [found] = await self._store.load([Query((criterion,))])
        return found


def _after(account: Account | None, stored: StoredEvent) -> Account | None:
    """Fold one event."""
    event = stored.decode()
    if isinstance(event, AccountCreated):
        return Account(
            account_id=event.account_id,
            patient_id=event.patient_id,
            email=_text(event.email, stored, "email"),
            email_tag=event.email_tag,
            phone=_text(event.phone, stored, "phone"),
            language=event.language,
        )
    return None if account is None else _changed(account, event, stored)


def _changed(account: Account, event: Event, stored: StoredEvent) -> Account:
    match event:
        case ProfileChanged():
            return replace(
                account,
                given_name=_newer(account.given_name, event.given_name, stored, "given_name"),
                family_name=_newer(account.family_name, event.family_name, stored, "family_name"),
                phone=_newer(account.phone, event.phone, stored, "phone") or account.phone,
                language=event.language or account.language,
            )
        case EmailConfirmed() if event.email_tag == account.email_tag:
            return replace(account, email_confirmed=True)
        case EmailChangeRequested():
            wanted = WantedEmail(_text(event.email, stored, "email"), event.email_tag, stored.time)
            return replace(account, wanted_email=wanted)
        case EmailChanged():
            return replace(
                account,
                email=_text(event.email, stored, "email"),
                email_tag=event.email_tag,
                email_confirmed=True,
                wanted_email=None,
            )
        case IdentityConfirmed():
            return replace(account, level=Level.FULL)
    return account


def _newer(
    old: SealedText | None, value: Plain | Sealed | None, stored: StoredEvent, field: str
) -> SealedText | None:
    return old if value is None else _text(value, stored, field)


def _text(value: Plain | Sealed, stored: StoredEvent, field: str) -> SealedText:
    if isinstance(value, Plain):
        raise TypeError(f"{field} of a stored event is not sealed")
    return SealedText(value, stored.id, field)
