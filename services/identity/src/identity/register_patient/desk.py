"""How does a walk-in become a patient, from what the desk asks to the event?

The data key is stored first: without it nothing could be sealed. One that turns out to be of no use is left
to the sweep, because another request may at this moment be registering the same patient with it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identity.accounts import OWNER
from identity.command_context import command_context
from identity.data_keys import DataKeys
from identity.register_patient.decide import REGISTER_PATIENT, RegisterPatient
from identity.rules.age import age_band, age_on, warsaw_day
from identity.rules.form import identity_faults, name_faults, person
from portal_chassis.positions import Positions, of_outcome
from portal_chassis.problems import FieldError, Invalid
from portal_events.blind import BlindIndex
from portal_events.identity import Sex
from portal_events.sensitive import Plain
from portal_eventstore.execute import Decider


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WalkIn:
    """Somebody at the desk, as it was typed; its repr shows nothing of it."""

    given_name: str
    family_name: str
    pesel: str | None
    birth_date: str | None
    sex: Sex | None
    passport: str | None


@dataclass(frozen=True, slots=True)
class Desk:
    """What registering a walk-in needs around the decision."""

    decider: Decider
    data_keys: DataKeys
    blind_index: BlindIndex

    async def register(self, walk_in: WalkIn, *, patient_id: UUID, now: datetime, actor: str) -> Positions:
        """Register a patient under a new id; raises Invalid, PatientExists or an Unavailable.

        A repeat with the same id changes nothing. `actor` is the account at the desk, or `system:<name>`.
        """
        today = warsaw_day(now)
        faults = [
            *name_faults("/givenName", walk_in.given_name),
            *name_faults("/familyName", walk_in.family_name),
            *identity_faults(walk_in, today),
        ]
        if faults:
            raise Invalid([FieldError(f.pointer, f.code, f.detail) for f in faults])
        who = person(walk_in)
        command = RegisterPatient(
            patient_id=patient_id,
            given_name=Plain(walk_in.given_name),
            family_name=Plain(walk_in.family_name),
            birth_date=who.birth_date,
            sex=who.sex,
            age_band=age_band(age_on(today, who.birth_date)),
            pesel=None if walk_in.pesel is None else Plain(walk_in.pesel),
            pesel_tag=None if walk_in.pesel is None else self.blind_index.tag(walk_in.pesel),
            passport=None if walk_in.passport is None else Plain(walk_in.passport),
        )
        key = await self.data_keys.issue(patient_id)
        context = command_context(now=now, actor=actor, key=key)
        return of_outcome(OWNER, await self.decider.execute(REGISTER_PATIENT, command, context))
