"""Which facts does identity publish?"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from portal_events.base import Event, Upcaster
from portal_events.sensitive import Sensitive


class Sex(StrEnum):
    """Administrative sex, as in PESEL (FHIR AdministrativeGender's two codes)."""

    FEMALE = "female"
    MALE = "male"


class Level(StrEnum):
    """How far an account is trusted to be the person it names."""

    BASIC = "basic"
    FULL = "full"


class Origin(StrEnum):
    """Who made a person known: the person, by signing up, or a reception desk."""

    ACCOUNT = "account"
    DESK = "desk"


class Role(StrEnum):
    """What a member of staff is here for."""

    DOCTOR = "doctor"
    DESK = "desk"
    LABORATORY = "laboratory"
    OPERATOR = "operator"


class ConfirmationMethod(StrEnum):
    """How a person's identity was confirmed."""

    BANK = "bank"
    CALL_CENTRE = "call-centre"
    CONTACT_FORM = "contact-form"
    FACILITY = "facility"


class PasswordChange(StrEnum):
    """Why a password is another one: its owner changed it, or lost it and used a link sent by e-mail."""

    CHANGED = "changed"
    RESET = "reset"


class ChangedAddress(StrEnum):
    """Which of the two addresses of an e-mail change."""

    OLD = "old"
    NEW = "new"


class IdentityEvent(Event):
    """An event that identity owns."""

    OWNER: ClassVar[str] = "identity"


def _signed_up(payload: dict[str, Any]) -> dict[str, Any]:
    # Before version 2 nobody became known but by signing up.
    return {**payload, "origin": Origin.ACCOUNT.value}


class PatientRegistered(IdentityEvent):
    """A person became known. `pesel_tag` is `v1:` and the HMAC of the PESEL; None with a passport.

    `age_band` (`30-39`) and `sex` are for analysts; `birth_date` is ISO 8601.
    """

    VERSION: ClassVar[int] = 2
    UPCASTERS: ClassVar[Mapping[int, Upcaster]] = {1: _signed_up}
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
    origin: Origin

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


class EmailConfirmed(IdentityEvent):
    """The account's owner opened the link that was sent to the address."""

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("account_id", "patient_id")

    account_id: UUID
    patient_id: UUID
    email_tag: str


class PasswordChanged(IdentityEvent):
    """From now on another password opens the account; sessions that began before are over."""

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("account_id", "patient_id")

    account_id: UUID
    patient_id: UUID
    change: PasswordChange


class ProfileChanged(IdentityEvent):
    """The account's owner gave another name, telephone number or language; what stays the same is None."""

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("account_id", "patient_id")

    account_id: UUID
    patient_id: UUID
    given_name: Sensitive | None = None
    family_name: Sensitive | None = None
    phone: Sensitive | None = None
    language: str | None = None


class EmailChangeRequested(IdentityEvent):
    """The account's owner wants another address: links to it and to the present one must be opened first.

    A later request takes the place of this one. The address is nobody's yet, so its tag is no tag here.
    """

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("account_id", "patient_id")

    account_id: UUID
    patient_id: UUID
    email: Sensitive
    email_tag: str


class EmailChangeApproved(IdentityEvent):
    """The first of the two links was opened; `address` says which, `email_tag` which change it was for."""

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("account_id", "patient_id")

    account_id: UUID
    patient_id: UUID
    address: ChangedAddress
    email_tag: str


class EmailChanged(IdentityEvent):
    """Both links were opened: the account has another address, and the old one is free again."""

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("account_id", "patient_id")

    account_id: UUID
    patient_id: UUID
    email: Sensitive
    email_tag: str
    released_email_tag: str

    def tags(self) -> frozenset[str]:
        """Add both addresses' blind tags: one is taken, the other released."""
        return super().tags() | {f"email:{self.email_tag}", f"email:{self.released_email_tag}"}


class IdentityConfirmed(IdentityEvent):
    """The account's owner is the person it names: its level is full.

    `document` (`identity-card`, `passport`) and its last four characters: what a desk saw; None from a bank.
    """

    SUBJECT: ClassVar[str] = "patient_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("account_id", "patient_id")

    account_id: UUID
    patient_id: UUID
    method: ConfirmationMethod
    document: str | None = None
    last_four: Sensitive | None = None


class StaffAccountCreated(IdentityEvent):
    """A member of staff has an account. `email_tag` is `v1:` and the HMAC of the address."""

    SUBJECT: ClassVar[str] = "account_id"
    TAGGED: ClassVar[tuple[str, ...]] = ("account_id",)

    account_id: UUID
    email: Sensitive
    email_tag: str
    name: Sensitive
    roles: tuple[Role, ...]

    def tags(self) -> frozenset[str]:
        """Add the blind tag that makes an address unique among all accounts."""
        return super().tags() | {f"email:{self.email_tag}"}
