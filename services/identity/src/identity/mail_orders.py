"""How does a mail wait for being sent?

As an order, which names no address and no token: whoever asks for a mail only inserts a row, so that the
answer costs and says the same whether or not anybody has the address. The worker claims orders for a while
at a time; one whose sender died comes back when that is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID


class MailKind(StrEnum):
    """What a mail is about."""

    RESET_PASSWORD = "reset-password"  # noqa: S105 - a kind, not a password
    PASSWORD_CHANGED = "password-changed"  # noqa: S105
    CONFIRM_EMAIL = "confirm-email"
    APPROVE_FROM_OLD_EMAIL = "approve-from-old-email"
    APPROVE_FROM_NEW_EMAIL = "approve-from-new-email"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOrder:
    """A mail to be sent. `email_tag`: whose, where no account is named; with one, the address it is about."""

    id: UUID
    kind: MailKind
    account_id: UUID | None = None
    email_tag: str | None = None
    ordered_at: datetime
    attempts: int = 0


class MailOrders(Protocol):
    """The orders that wait."""

    async def put(self, order: MailOrder) -> None:
        """Keep an order and wake the worker."""

    async def mark(self) -> int:
        """Return up to which event orders were derived."""

    async def follow(self, orders: Sequence[MailOrder], *, after: int, to: int) -> None:
        """Keep the orders of the events above `after` up to `to`, unless another worker did so first."""

    async def claim(self, now: datetime, lease: timedelta) -> MailOrder | None:
        """Take an order that is due; it is due again after `lease`."""

    async def done(self, order_id: UUID) -> None:
        """Forget an order."""

    async def postpone(self, order_id: UUID, due_at: datetime) -> None:
        """Let an order wait until `due_at`."""

    async def give_up(self, before: datetime) -> list[MailOrder]:
        """Forget and return what was ordered before that."""


CHANNEL: Final = "mail_ordered"
"""Where the worker hears of new orders."""

_INSERT: Final = """
insert into mail_order (id, kind, account_id, email_tag, ordered_at, due_at)
values ($1, $2, $3, $4, $5, $5) on conflict do nothing
"""
_PUT: Final = f"with put as ({_INSERT} returning id) select pg_notify('{CHANNEL}', '') from put"  # noqa: S608
_CLAIM: Final = """
update mail_order set due_at = $1::timestamptz + $2, attempts = attempts + 1
where id = (select id from mail_order where due_at <= $1 order by due_at limit 1 for update skip locked)
returning id, kind, account_id, email_tag, ordered_at, attempts
"""


class PostgresMailOrders:
    """The tables `mail_order` and `mail_mark`."""

    def __init__(self, pool: Any) -> None:
        """Use the service's own pool."""
        self._pool = pool

    async def put(self, order: MailOrder) -> None:
        """Insert a row."""
        await self._pool.execute(_PUT, *_columns(order))

    async def mark(self) -> int:
        """Read the mark."""
        position: int = await self._pool.fetchval("select position from mail_mark")
        return position

    async def follow(self, orders: Sequence[MailOrder], *, after: int, to: int) -> None:
        """Move the mark and insert rows in one transaction."""
        async with self._pool.acquire() as connection, connection.transaction():
            moved = await connection.fetchval(
                "update mail_mark set position = $2 where position = $1 returning true", after, to
            )
            if moved and orders:
                await connection.executemany(_INSERT, [_columns(order) for order in orders])

    async def claim(self, now: datetime, lease: timedelta) -> MailOrder | None:
        """Push a due row into the future and return it; what another worker is claiming is left."""
        row = await self._pool.fetchrow(_CLAIM, now, lease)
        return None if row is None else _order(row)

    async def done(self, order_id: UUID) -> None:
        """Delete a row."""
        await self._pool.execute("delete from mail_order where id = $1", order_id)

    async def postpone(self, order_id: UUID, due_at: datetime) -> None:
        """Update a row."""
        await self._pool.execute("update mail_order set due_at = $2 where id = $1", order_id, due_at)

    async def give_up(self, before: datetime) -> list[MailOrder]:
        """Delete old rows."""
        rows = await self._pool.fetch(
            "delete from mail_order where ordered_at < $1"
            " returning id, kind, account_id, email_tag, ordered_at, attempts",
            before,
        )
        return [_order(row) for row in rows]


def _columns(order: MailOrder) -> tuple[Any, ...]:
    return (order.id, order.kind.value, order.account_id, order.email_tag, order.ordered_at)


def _order(row: Any) -> MailOrder:
    return MailOrder(
        id=row["id"],
        kind=MailKind(row["kind"]),
        account_id=row["account_id"],
        email_tag=row["email_tag"],
        ordered_at=row["ordered_at"],
        attempts=row["attempts"],
    )
