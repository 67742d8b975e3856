"""Which mails does an event cause?

The worker reads the log behind its own mark, which moves in the transaction that keeps the orders: an event
whose writer died at once after the append is mailed about all the same, and none twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid5

from identity.mail_orders import MailKind, MailOrder, MailOrders
from portal_events.identity import AccountCreated, EmailChangeRequested, PasswordChanged
from portal_events.stored import StoredEvent
from portal_eventstore.store import EventStore

WORTH_SENDING: Final = timedelta(days=1)
"""An older mail is not sent: not after its server was away, not from a log that was restored."""

_EVENTS: Final = 500
_CAUSES: Final = frozenset(cls.__name__ for cls in (AccountCreated, EmailChangeRequested, PasswordChanged))


async def order_mails(store: EventStore, orders: MailOrders, now: datetime) -> bool:
    """Derive the orders of the next events; False when there are none after them."""
    after = await orders.mark()
    events = await store.tail(after, _EVENTS)
    if events:
        caused = [order for stored in events for order in orders_of(stored, now)]
        await orders.follow(caused, after=after, to=events[-1].position)
    return len(events) == _EVENTS


def orders_of(stored: StoredEvent, now: datetime) -> Sequence[MailOrder]:
    """Return what an event causes; the ids are derived from the event's."""
    if stored.type not in _CAUSES or now - stored.time >= WORTH_SENDING:
        return ()
    match stored.decode():
        case AccountCreated() as event:
            return (_order(MailKind.CONFIRM_EMAIL, event, stored),)
        case PasswordChanged() as event:
            return (_order(MailKind.PASSWORD_CHANGED, event, stored),)
        case EmailChangeRequested() as event:
            return (
                _order(MailKind.APPROVE_FROM_OLD_EMAIL, event, stored, event.email_tag),
                _order(MailKind.APPROVE_FROM_NEW_EMAIL, event, stored, event.email_tag),
            )
    return ()


def _order(
    kind: MailKind,
    event: AccountCreated | PasswordChanged | EmailChangeRequested,
    stored: StoredEvent,
    email_tag: str | None = None,
) -> MailOrder:
    return MailOrder(
        id=uuid5(stored.id, kind),
        kind=kind,
        account_id=event.account_id,
        email_tag=email_tag,
        ordered_at=stored.time,
    )
