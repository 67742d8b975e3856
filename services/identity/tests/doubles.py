"""What stands in for PostgreSQL's tables and the mail server in identity's tests?"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage
from uuid import UUID

from identity.credentials import Changed
from identity.limits import BY_A_WRONG_CLOCK, Attempt, refuse_early
from identity.links import Link, Purpose
from identity.mail_orders import MailOrder
from identity.send_mail.smtp import ServerAwayError
from portal_events.identity import PasswordChange
from portal_events.keys import new_data_key


class MemoryLinks:
    def __init__(self) -> None:
        self.rows: dict[tuple[UUID, Purpose], Link] = {}

    async def put(self, link: Link) -> None:
        self.rows[link.account_id, link.purpose] = link

    async def find(self, digest: bytes, now: datetime) -> Link | None:
        found = [link for link in self.rows.values() if link.digest == digest and link.expires_at > now]
        return found[0] if found else None

    async def remove(self, digest: bytes) -> None:
        self.rows = {key: link for key, link in self.rows.items() if link.digest != digest}


class MemoryCredentials:
    def __init__(self, links: MemoryLinks) -> None:
        self.rows: dict[UUID, str] = {}
        self.left: list[Changed] = []
        self._links = links

    async def add(self, account_id: UUID, password_hash: str, now: datetime) -> None:
        del now
        self.rows[account_id] = password_hash

    async def remove(self, account_id: UUID) -> None:
        self.rows.pop(account_id, None)

    async def password_hash(self, account_id: UUID) -> str | None:
        return self.rows.get(account_id)

    async def renew(self, account_id: UUID, old: str, new: str, now: datetime) -> None:
        del now
        if self.rows.get(account_id) == old:
            self.rows[account_id] = new

    async def change(self, account_id: UUID, old: str, new: str, now: datetime) -> Changed | None:
        if self.rows.get(account_id) != old:
            return None
        self._links.rows.pop((account_id, Purpose.RESET_PASSWORD), None)
        return self._changed(account_id, new, now, PasswordChange.CHANGED)

    async def reset(self, link: bytes, new: str, now: datetime) -> Changed | None:
        found = await self._links.find(link, now)
        if found is None or found.purpose is not Purpose.RESET_PASSWORD:
            return None
        await self._links.remove(link)
        return self._changed(found.account_id, new, now, PasswordChange.RESET)

    async def unannounced(self, before: datetime) -> list[Changed]:
        return [changed for changed in self.left if changed.changed_at < before]

    async def announced(self, changed: Changed) -> None:
        self.left.remove(changed)

    def _changed(self, account_id: UUID, new: str, now: datetime, change: PasswordChange) -> Changed:
        self.rows[account_id] = new
        self.left.append(Changed(account_id, now, change))
        return self.left[-1]


class MemoryDataKeys:
    def __init__(self) -> None:
        self.rows: dict[UUID, bytes] = {}

    async def issue(self, patient_id: UUID) -> bytes:
        return self.rows.setdefault(patient_id, new_data_key())

    async def remove(self, patient_id: UUID) -> None:
        self.rows.pop(patient_id, None)

    async def key(self, patient_id: UUID) -> bytes | None:
        return self.rows.get(patient_id)


class MemoryMailOrders:
    def __init__(self) -> None:
        self.rows: dict[UUID, tuple[datetime, MailOrder]] = {}
        self.position = 0

    async def put(self, order: MailOrder) -> None:
        self.rows.setdefault(order.id, (order.ordered_at, order))

    async def mark(self) -> int:
        return self.position

    async def follow(self, orders: Sequence[MailOrder], *, after: int, to: int) -> None:
        if self.position == after:
            self.position = to
            for order in orders:
                await self.put(order)

    async def claim(self, now: datetime, lease: timedelta) -> MailOrder | None:
        due = sorted((at, order.id) for at, order in self.rows.values() if at <= now)
        if not due:
            return None
        _, order = self.rows[due[0][1]]
        claimed = MailOrder(
            id=order.id,
            kind=order.kind,
            account_id=order.account_id,
            email_tag=order.email_tag,
            ordered_at=order.ordered_at,
            attempts=order.attempts + 1,
        )
        self.rows[order.id] = (now + lease, claimed)
        return claimed

    async def done(self, order_id: UUID) -> None:
        del self.rows[order_id]

    async def postpone(self, order_id: UUID, due_at: datetime) -> None:
        self.rows[order_id] = (due_at, self.rows[order_id][1])

    async def give_up(self, before: datetime) -> list[MailOrder]:
        old = [order for _, order in self.rows.values() if order.ordered_at < before]
        for order in old:
            del self.rows[order.id]
        return old


class MemoryAttempts:
    def __init__(self) -> None:
        self.full_until: dict[str, datetime] = {}
        self.familiar: dict[str, datetime] = {}

    async def take(self, attempts: Sequence[Attempt], now: datetime) -> None:
        known = {key: at for key, at in self.full_until.items() if at <= now + BY_A_WRONG_CLOCK}
        taken = {a.key: max(known.get(a.key, now), now) + a.step for a in attempts}
        refuse_early([a.wait(taken[a.key], now) for a in attempts])
        self.full_until |= taken

    async def give_back(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            if attempt.key in self.full_until:
                self.full_until[attempt.key] -= attempt.step

    async def forget(self, key: str) -> None:
        self.full_until.pop(key, None)

    async def is_familiar(self, key: str) -> bool:
        return key in self.familiar

    async def remember(self, key: str, now: datetime) -> None:
        self.familiar[key] = now


class Postbox:
    """A mail server that keeps what it is given, unless it is told to do something else."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.away = False
        self.refusing: Exception | None = None
        self.opened = 0

    async def open(self) -> None:
        self.opened += 1
        if self.away:
            raise ServerAwayError("ConnectionRefusedError")

    async def deliver(self, message: EmailMessage) -> None:
        if self.refusing is not None:
            raise self.refusing
        self.mails.append(message)

    async def close(self) -> None:
        pass
