"""How is an account opened, from a form to its events?

Hash and data key are stored first: an account without them could never be used. They are removed again when
the decision refuses, or when it turns out that this very request was already answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from identity.accounts import OWNER
from identity.command_context import command_context
from identity.credentials import Credentials
from identity.data_keys import DataKeys
from identity.open_account.decide import (
    ANSWER_REPEAT,
    OPEN_ACCOUNT,
    OpenAccount,
    State,
    boundary,
    evolve,
    taken,
)
from identity.passwords import Passwords
from identity.rules.age import age_band, age_on, warsaw_day
from identity.rules.form import Form, form_faults, person
from identity.rules.password import password_faults
from portal_chassis.idempotency import RequestKeys
from portal_chassis.positions import Positions, of_outcome
from portal_chassis.problems import FieldError, Invalid
from portal_events.blind import BlindIndex, normalise_email
from portal_events.identity import AccountCreated
from portal_events.sensitive import Plain
from portal_eventstore.command import Context, Outcome
from portal_eventstore.decision import StoreUnavailable
from portal_eventstore.execute import Decider
from portal_eventstore.store import EventStore, Query

ROUTE: Final = "POST /accounts"


@dataclass(frozen=True, slots=True)
class Opened:
    """The account, and where its events stand."""

    account_id: UUID
    patient_id: UUID
    positions: Positions


@dataclass(frozen=True, slots=True)
class Registration:
    """What opening an account needs around the decision."""

    store: EventStore
    decider: Decider
    credentials: Credentials
    data_keys: DataKeys
    blind_index: BlindIndex
    request_keys: RequestKeys
    passwords: Passwords

    async def open(
        self, form: Form, *, now: datetime, idempotency_key: str, body: Mapping[str, Any]
    ) -> Opened:
        """Open an account; raises Invalid, AccountExists, IdempotencyKeyReused or an Unavailable.

        `body` is what a repeat must equal. The address stands for the actor, whose account is yet to come.
        """
        weak = await self.passwords.run(lambda: password_faults(form.password, form.words))
        faults = [*form_faults(form, warsaw_day(now)), *weak]
        if faults:
            raise Invalid([FieldError(f.pointer, f.code, f.detail) for f in faults])
        command = self._command(form, now)
        request = self.request_keys.request(
            actor=command.email_tag, route=ROUTE, key=idempotency_key, body=body
        )
        context = command_context(now=now, actor=str(command.account_id), request=request)
        if await self._somebody_known(command):
            # A repeat or a refusal: neither needs a hash, or leaves a key on Kafka for ever.
            return _opened(await self.decider.execute(ANSWER_REPEAT, command, context))
        password_hash = await self.passwords.hash(form.password)
        data_key = await self.data_keys.issue(command.patient_id)
        await self.credentials.add(command.account_id, password_hash, now)
        return _opened(await self._execute(command, replace(context, key=data_key)))

    async def _execute(self, command: OpenAccount, context: Context) -> Outcome[State]:
        try:
            outcome = await self.decider.execute(OPEN_ACCOUNT, command, context)
        except StoreUnavailable:
            # The events may be stored all the same, and then need their rows. If not, the sweep takes them.
            raise
        except Exception:
            await self._forget(command)
            raise
        if outcome.repeated:
            await self._forget(command)
        return outcome

    async def _somebody_known(self, command: OpenAccount) -> bool:
        [facts] = await self.store.load([Query(tuple(boundary(command)))])
        state = State()
        for fact in facts:
            state = evolve(state, fact.decode())
        return taken(command, state)

    async def _forget(self, command: OpenAccount) -> None:
        await self.credentials.remove(command.account_id)
        await self.data_keys.remove(command.patient_id)

    def _command(self, form: Form, now: datetime) -> OpenAccount:
        who = person(form)
        return OpenAccount(
            account_id=uuid7(),
            patient_id=uuid7(),
            email=Plain(form.email),
            email_tag=self.blind_index.tag(normalise_email(form.email)),
            given_name=Plain(form.given_name),
            family_name=Plain(form.family_name),
            birth_date=who.birth_date,
            sex=who.sex,
            age_band=age_band(age_on(warsaw_day(now), who.birth_date)),
            pesel=None if form.pesel is None else Plain(form.pesel),
            pesel_tag=None if form.pesel is None else self.blind_index.tag(form.pesel),
            passport=None if form.passport is None else Plain(form.passport),
            phone=Plain(form.phone),
            language=form.language,
            consents=("regulations", "privacy"),
        )


def _opened(outcome: Outcome[State]) -> Opened:
    created = next(e for e in outcome.events if isinstance(e, AccountCreated))
    return Opened(created.account_id, created.patient_id, of_outcome(OWNER, outcome))
