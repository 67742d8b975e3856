"""Which account belongs to an address or an id, by the log itself?

The store is asked, not a view: signing in works while Kafka is down.
"""

from uuid import UUID

from portal_events.blind import BlindIndex, EmailMalformedError, normalise_email
from portal_events.identity import AccountCreated, PatientRegistered
from portal_events.stored import StoredEvent
from portal_eventstore.decision import Criterion, about
from portal_eventstore.store import EventStore, Query


class Accounts:
    """Reads accounts from identity's store."""

    def __init__(self, store: EventStore, blind_index: BlindIndex) -> None:
        """Take the store and the index that the tags were made with."""
        self._store = store
        self._blind_index = blind_index

    async def of_address(self, email: str) -> AccountCreated | None:
        """Return the account of an address, however it is spelt; None when there is none."""
        try:
            tag = self._blind_index.tag(normalise_email(email))
        except EmailMalformedError:
            return None
        found = await self._newest(about(f"email:{tag}", (AccountCreated,)))
        event = None if found is None else found.decode()
        return event if isinstance(event, AccountCreated) else None

    async def created(self, account_id: UUID) -> StoredEvent | None:
        """Return an account's first event, as stored: its id is needed to reveal its fields."""
        return await self._newest(about(f"account:{account_id}", (AccountCreated,)))

    async def registered(self, patient_id: UUID) -> StoredEvent | None:
        """Return a patient's first event, as stored."""
        return await self._newest(about(f"patient:{patient_id}", (PatientRegistered,)))

    async def _newest(self, criterion: Criterion) -> StoredEvent | None:
        [found] = await self._store.load([Query((criterion,))])
        return found[-1] if found else None
