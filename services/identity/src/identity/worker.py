"""What does identity do beside answering?

It publishes its events and the patients' data keys, sends mails, tells the log of password changes that were
left behind, and sweeps up what interrupted sign-ups left.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, Protocol

import asyncpg

from identity.accounts import OWNER, Accounts
from identity.background import Background
from identity.credentials import PostgresCredentials
from identity.data_keys import PostgresDataKeys
from identity.links import PostgresLinks
from identity.mail_orders import CHANNEL, PostgresMailOrders
from identity.password_changes import PasswordChanges
from identity.send_mail.mailer import Mailer
from identity.send_mail.message import Letterhead
from identity.send_mail.smtp import MailServer, Smtp
from identity.settings import IdentitySettings
from identity.sweep import sweep
from portal_chassis.clock import utc_now
from portal_chassis.idempotency import RequestKeys
from portal_events.blind import BlindIndex
from portal_events.keys import FileKeyWrap
from portal_eventstore.execute import Decider
from portal_eventstore.guard.guard import StoreGuard
from portal_eventstore.keys.issue_keys import KeyPublisher
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.relay.publish import Relay

_POOL_SIZE: Final = 2
_MAIL_SECONDS: Final = 2.0
_LEFT_BEHIND_SECONDS: Final = 2.0
_SWEEP_SECONDS: Final = 600.0


class _Part(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def problems(self) -> Sequence[str]: ...


class IdentityWorker:
    """The parts that run, asked together."""

    projectors: Final = ()

    def __init__(self, relay: Relay, parts: Sequence[_Part]) -> None:
        """Take the running parts, the relay among them."""
        self.relay = relay
        self._parts = parts

    def problems(self) -> list[str]:
        """Say what any of them lacks."""
        return [problem for part in self._parts for problem in part.problems()]


@asynccontextmanager
async def run_worker(settings: IdentitySettings) -> AsyncIterator[IdentityWorker]:
    """Run everything until the block ends."""
    database_url, servers = settings.database_url, settings.kafka_bootstrap_servers
    wrap = FileKeyWrap(settings.key_encryption_key_file)
    keys = KeyPublisher(database_url, wrap, servers)
    async with AsyncExitStack() as stack:
        guard = StoreGuard(database_url, OWNER, servers)
        store = await PostgresStore.connect(database_url, OWNER, guard)
        stack.push_async_callback(store.close)
        pool = await asyncpg.create_pool(
            database_url,
            min_size=1,
            max_size=_POOL_SIZE,
            command_timeout=5,
            server_settings={"application_name": "identity worker"},
        )
        stack.push_async_callback(pool.close)
        decider = Decider(store)
        stack.push_async_callback(decider.close)
        relay = Relay(database_url=database_url, owner=OWNER, bootstrap_servers=servers, guard=guard)
        parts: list[_Part] = [
            guard,
            relay,
            keys,
            *_background(settings, store, decider, pool, PostgresDataKeys(pool, wrap, keys)),
        ]
        for part in parts:
            await part.start()
            stack.push_async_callback(part.stop)
        yield IdentityWorker(relay, parts)


def _background(
    settings: IdentitySettings,
    store: PostgresStore,
    decider: Decider,
    pool: Any,
    data_keys: PostgresDataKeys,
) -> Sequence[Background]:
    accounts = Accounts(store, BlindIndex(settings.uniqueness_key_file))
    changes = PasswordChanges(
        accounts, decider, PostgresCredentials(pool), RequestKeys(settings.request_key_file)
    )
    mailer = Mailer(
        store=store,
        accounts=accounts,
        data_keys=data_keys,
        orders=PostgresMailOrders(pool),
        links=PostgresLinks(pool),
        letterhead=Letterhead(settings.sender, settings.public_url),
        post=Smtp(MailServer.from_url(settings.smtp_url)),
    )

    async def send_mails() -> bool:
        return await mailer.work(utc_now())

    async def announce_left() -> bool:
        await changes.announce_left(utc_now())
        return False

    async def sweep_up() -> bool:
        await sweep(pool, utc_now())
        return False

    return (
        Background(
            "mail",
            send_mails,
            seconds=_MAIL_SECONDS,
            database_url=settings.database_url,
            channels=(CHANNEL, "event_appended"),
            problems=lambda: [] if mailer.problem is None else [f"mail: {mailer.problem}"],
        ),
        Background(
            "password changes",
            announce_left,
            seconds=_LEFT_BEHIND_SECONDS,
            database_url=settings.database_url,
        ),
        Background("sweep", sweep_up, seconds=_SWEEP_SECONDS, database_url=settings.database_url),
    )
