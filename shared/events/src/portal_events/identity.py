"""Which facts does identity publish?"""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from portal_events.base import Event
from portal_events.sensitive import Sensitive


class Sex(StrEnum):
    """Administrative sex, as in PESEL (FHIR AdministrativeGender's two codes)."""

    FEMALE = "female"
    MALE = "male"


class IdentityEvent(Event):
    """An event that identity owns."""

    OWNER: ClassVar[str] = "identity"


class PatientRegistered(IdentityEvent):
    """A person became known. `pesel_tag` is `v1:` and the HMAC of the PESEL; None with a passport.

    `age_band` (`30-39`) and `sex` are for analysts; `birth_date` is ISO 8601.
    """

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("patient_id",)

    patient_id: UUID
    given_name: Sensitive
    family_name: Sensitive
    birth_date: Sensitive
    pesel: Sensitive | None = None
    passport: Sensitive | None = None
    pesel_tag: str | None = None
    sex: Sex
    age_band: str

    def tags(self) -> frozenset[str]:
        """Add the blind tag that makes a PESEL unique."""
        return super().tags() | ({f"pesel:{self.pesel_tag}"} if self.pesel_tag else frozenset())


class AccountCreated(IdentityEvent):
    """A patient can sign in. `email_tag` is `v1:` and the HMAC of the address."""

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("account_id", "patient_id")

    account_id: UUID
    patient_id: UUID
    email: Sensitive
    email_tag: str
    phone: Sensitive
    language: str
    consents: tuple[str, ...]

    def tags(self) -> frozenset[str]:
        """Add the blind tag that makes an address unique and finds the account at sign-in."""
        return super().tags() | {f"email:{self.email_tag}"}
