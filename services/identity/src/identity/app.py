"""How is identity's HTTP side put together?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from fastapi import FastAPI

from identity.accounts import OWNER, Accounts
from identity.change_email.change import EmailChange
from identity.change_password import endpoint as change_password
from identity.change_password.change import PasswordChanging
from identity.change_profile import endpoint as change_profile
from identity.change_profile.profile import Profile
from identity.confirm_email import endpoint as confirm_email
from identity.confirm_email.confirmation import Confirmations, EmailConfirming
from identity.confirm_identity.confirmation import Confirmation
from identity.credentials import Credentials, PostgresCredentials
from identity.data_keys import DataKeys, PostgresDataKeys
from identity.limits import Limits, PostgresAttempts
from identity.links import Links, PostgresLinks, Purpose
from identity.mail_orders import MailOrders, PostgresMailOrders
from identity.my_account import endpoint as my_account
from identity.my_accounts import MyAccounts
from identity.open_account import endpoint as open_account
from identity.open_account.registration import Registration
from identity.open_staff_account.personnel import Personnel
from identity.own_password import OwnPassword
from identity.password_changes import PasswordChanges
from identity.passwords import Passwords
from identity.register_patient.desk import Desk
from identity.reset_password import endpoint as reset_password
from identity.reset_password.reset import PasswordReset
from identity.settings import IdentitySettings
from identity.sign_in import endpoint as sign_in
from identity.sign_in.check import SignIn
from portal_chassis.access import TokenVerifier
from portal_chassis.app import add_ready_check, create_app
from portal_chassis.clock import Clock, utc_now
from portal_chassis.idempotency import RequestKeys
from portal_events.blind import BlindIndex
from portal_events.keys import FileKeyWrap
from portal_eventstore.decision import StoreUnavailable
from portal_eventstore.execute import Decider
from portal_eventstore.guard.guard import StoreGuard
from portal_eventstore.keys.issue_keys import KeyPublisher
from portal_eventstore.postgres import PostgresStore
from portal_eventstore.store import EventStore

_POOL_SIZE: Final = 4


@dataclass(frozen=True, slots=True)
class Parts:
    """What the rooms are wired from; tests hand over their own."""

    store: EventStore
    decider: Decider
    credentials: Credentials
    data_keys: DataKeys
    blind_index: BlindIndex
    request_keys: RequestKeys
    passwords: Passwords
    token_verifier: TokenVerifier
    links: Links
    mail_orders: MailOrders
    limits: Limits


@dataclass(frozen=True, slots=True)
class Handlers:
    """What commands become events through, over HTTP or in process with any `now`."""

    registration: Registration
    desk: Desk
    personnel: Personnel
    confirmation: Confirmation


def handlers(parts: Parts) -> Handlers:
    """Make the handlers."""
    return Handlers(
        registration=Registration(
            store=parts.store,
            decider=parts.decider,
            credentials=parts.credentials,
            data_keys=parts.data_keys,
            blind_index=parts.blind_index,
            request_keys=parts.request_keys,
            passwords=parts.passwords,
        ),
        desk=Desk(parts.decider, parts.data_keys, parts.blind_index),
        personnel=Personnel(
            parts.decider, parts.credentials, parts.data_keys, parts.blind_index, parts.passwords
        ),
        confirmation=Confirmation(Accounts(parts.store, parts.blind_index), parts.decider, parts.data_keys),
    )


def wire(app: FastAPI, parts: Parts) -> None:
    """Give every endpoint what it needs."""
    accounts = Accounts(parts.store, parts.blind_index)
    my_accounts = MyAccounts(accounts, parts.data_keys)
    own_password = OwnPassword(parts.credentials, parts.passwords, parts.limits)
    changes = PasswordChanges(accounts, parts.decider, parts.credentials, parts.request_keys)
    email_change = EmailChange(accounts, parts.decider, parts.data_keys)
    app.state.token_verifier = parts.token_verifier
    app.state.limits = parts.limits
    app.state.registration = handlers(parts).registration
    app.state.sign_in = SignIn(accounts, parts.credentials, parts.passwords, parts.limits)
    app.state.my_accounts = my_accounts
    app.state.profile = Profile(
        accounts, my_accounts, parts.decider, parts.data_keys, own_password, parts.limits, email_change
    )
    app.state.password_changing = PasswordChanging(
        my_accounts, own_password, parts.credentials, parts.passwords, changes
    )
    app.state.password_reset = PasswordReset(
        accounts=accounts,
        my_accounts=my_accounts,
        credentials=parts.credentials,
        passwords=parts.passwords,
        changes=changes,
        links=parts.links,
        orders=parts.mail_orders,
        limits=parts.limits,
    )
    app.state.confirmations = Confirmations(
        parts.links,
        parts.mail_orders,
        parts.limits,
        {
            Purpose.CONFIRM_EMAIL: EmailConfirming(parts.decider),
            Purpose.APPROVE_FROM_OLD_EMAIL: email_change,
            Purpose.APPROVE_FROM_NEW_EMAIL: email_change,
        },
    )


def rooms(*, clock: Clock = utc_now, lifespan: Any = None) -> FastAPI:
    """Make the app with its endpoints, not wired yet."""
    app = create_app("identity", lifespan=lifespan, clock=clock)
    for room in (
        open_account,
        sign_in,
        my_account,
        change_profile,
        change_password,
        reset_password,
        confirm_email,
    ):
        app.include_router(room.router)
    return app


def make_app(settings: IdentitySettings, *, clock: Clock = utc_now) -> FastAPI:
    """Make the app; its lifespan connects to the database."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        guard = StoreGuard(settings.database_url, OWNER, settings.kafka_bootstrap_servers)
        async with connected(settings, guard) as parts:
            wire(app, parts)
            add_ready_check(app, guard.ready)
            app.state.metrics.add_appends(parts.decider.tally)
            add_ready_check(app, lambda: _missing(parts.store))
            yield

    return rooms(clock=clock, lifespan=lifespan)


@asynccontextmanager
async def connected(settings: IdentitySettings, guard: StoreGuard | None = None) -> AsyncIterator[Parts]:
    """Open what the rooms need, and close it afterwards."""
    key_wrap = FileKeyWrap(settings.key_encryption_key_file)
    blind_index = BlindIndex(settings.uniqueness_key_file)
    request_keys = RequestKeys(settings.request_key_file)
    token_verifier = TokenVerifier(settings.gateway_public_key_file, OWNER)
    passwords = Passwords()
    if guard is not None:
        await guard.start()
    store = await PostgresStore.connect(settings.database_url, OWNER, guard)
    pool = await asyncpg.create_pool(
        settings.database_url,
        min_size=0,  # connects when first used: a start waits for no database
        max_size=_POOL_SIZE,
        command_timeout=5,
        server_settings={"application_name": "identity app"},
    )
    # Keys are issued here and published by the worker.
    publisher = KeyPublisher(settings.database_url, key_wrap, settings.kafka_bootstrap_servers)
    decider = Decider(store)
    try:
        yield Parts(
            store=store,
            decider=decider,
            credentials=PostgresCredentials(pool),
            data_keys=PostgresDataKeys(pool, key_wrap, publisher),
            blind_index=blind_index,
            request_keys=request_keys,
            passwords=passwords,
            token_verifier=token_verifier,
            links=PostgresLinks(pool),
            mail_orders=PostgresMailOrders(pool),
            limits=Limits(PostgresAttempts(pool), blind_index, settings.address_factor),
        )
    finally:
        await decider.close()
        await store.close()
        if guard is not None:
            await guard.stop()
        await pool.close()
        passwords.close()


async def _missing(store: EventStore) -> list[str]:
    try:
        await store.head()
    except StoreUnavailable:
        return ["PostgreSQL does not answer"]
    return []
