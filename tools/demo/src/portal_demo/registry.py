"""How do the demo's people become known to identity?

Through its handlers, at the time at which the demo says that it happened; each finds what it did before.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Final
from uuid import UUID

from identity.app import Handlers, Parts, connected, handlers
from identity.command_context import command_context
from identity.confirm_email.decide import CONFIRM_EMAIL, ConfirmEmail
from identity.confirm_identity.decide import ConfirmIdentity
from identity.open_staff_account.personnel import Member
from identity.register_patient.desk import WalkIn as AtTheDesk
from identity.rules.form import Form
from identity.settings import IdentitySettings
from portal_demo.crowd import WalkIn
from portal_demo.history import History
from portal_demo.network import demo_id
from portal_demo.passwords import Passwords
from portal_demo.people import STAFF, Patient, Staff
from portal_events.blind import normalise_email
from portal_events.identity import ConfirmationMethod, Level, Role
from portal_events.sensitive import Plain

ACTOR: Final = "system:demo"

_AT_ONCE: Final = 500
_TO_THE_MAILBOX: Final = timedelta(minutes=3)
_TO_THE_DESK: Final = timedelta(days=3)
_BEFORE_BOOKING: Final = timedelta(minutes=4)
"""Somebody at the desk who is not known yet is registered first."""


@dataclass(frozen=True, slots=True)
class Known:
    """What booking needs of somebody: the ids, and the data key under which reasons are sealed."""

    patient_id: UUID
    account_id: UUID | None = None
    key: bytes | None = None


def staff_id(member: Staff) -> UUID:
    """Return the id of a staff account."""
    return demo_id(f"staff/{member.email}")


DESK: Final = str(staff_id(next(member for member in STAFF if Role.DESK in member.roles)))
"""Who registers walk-ins and books for them."""


async def register(
    past: History, passwords: Passwords, database_url: str, secrets: Path
) -> Mapping[str, Known]:
    """Make everybody known, as far as they are not; return them by e-mail or key."""
    async with identity_parts(database_url, secrets) as parts:
        handle = handlers(parts)
        await asyncio.gather(*(_open_staff(handle, member, past.opened_at, passwords) for member in STAFF))
        owners = [
            _open_account(handle, parts, patient, past.opened_at, passwords) for patient in past.accounts
        ]
        accounts = await asyncio.gather(*owners)
        await _register_all(handle, past)
    known = dict(zip((patient.email for patient in past.accounts), accounts, strict=True))
    return known | {person.key: Known(demo_id(person.key)) for person in past.people}


@asynccontextmanager
async def identity_parts(database_url: str, secrets: Path) -> AsyncIterator[Parts]:
    """Open identity's store and what stands beside it, with the keys that the launcher made."""
    settings = IdentitySettings(
        database_url=database_url,
        # Nothing is published, mailed or served from here.
        kafka_bootstrap_servers="",
        smtp_url="smtp://localhost",
        mail_from="nobody@localhost",
        public_url="http://localhost",
        http_port=0,
        key_encryption_key_file=secrets / "key-encryption-key",
        uniqueness_key_file=secrets / "uniqueness-key",
        request_key_file=secrets / "request-key-identity",
        gateway_public_key_file=secrets / "gateway-public-key.pem",
    )
    async with connected(settings) as parts:
        yield parts


async def _open_staff(handle: Handlers, member: Staff, now: datetime, passwords: Passwords) -> None:
    form = Member(
        email=member.email, password=passwords.of(member.email), name=member.name, roles=member.roles
    )
    await handle.personnel.open(form, account_id=staff_id(member), now=now, actor=ACTOR)


async def _open_account(
    handle: Handlers, parts: Parts, patient: Patient, network_opened_at: datetime, passwords: Passwords
) -> Known:
    opened_at = network_opened_at + patient.after
    form = Form(
        email=patient.email,
        password=passwords.of(patient.email),
        given_name=patient.given_name,
        family_name=patient.family_name,
        pesel=patient.pesel,
        birth_date=None,
        sex=None,
        passport=None,
        phone=patient.phone,
        language=patient.language,
        regulations=True,
        privacy=True,
    )
    # The key makes it a repeat when it is seeded again: the answer then is the account that is there.
    opened = await handle.registration.open(
        form, now=opened_at, idempotency_key="demo", body={"demo": patient.email}
    )
    if patient.email_confirmed:
        link = ConfirmEmail(
            account_id=opened.account_id, email_tag=parts.blind_index.tag(normalise_email(patient.email))
        )
        context = command_context(now=opened_at + _TO_THE_MAILBOX, actor=str(opened.account_id))
        await parts.decider.execute(CONFIRM_EMAIL, link, context)
    if patient.level is Level.FULL:
        seen = ConfirmIdentity(
            account_id=opened.account_id,
            method=ConfirmationMethod.FACILITY,
            document="identity-card",
            last_four=Plain(patient.pesel[-4:]),
        )
        await handle.confirmation.confirm(seen, now=opened_at + _TO_THE_DESK, actor=DESK)
    key = await parts.data_keys.key(opened.patient_id)
    return Known(opened.patient_id, opened.account_id, key)


async def _register_all(handle: Handlers, past: History) -> None:
    """Register walk-ins in the order in which they came."""
    arrivals = sorted(past.arrivals(), key=itemgetter(1))
    for begin in range(0, len(arrivals), _AT_ONCE):
        some = arrivals[begin : begin + _AT_ONCE]
        await asyncio.gather(*(_register(handle, person, booked_at) for person, booked_at in some))


async def _register(handle: Handlers, person: WalkIn, booked_at: datetime) -> None:
    at_the_desk = AtTheDesk(
        given_name=person.given_name,
        family_name=person.family_name,
        pesel=person.pesel,
        birth_date=None,
        sex=None,
        passport=None,
    )
    await handle.desk.register(
        at_the_desk, patient_id=demo_id(person.key), now=booked_at - _BEFORE_BOOKING, actor=DESK
    )
