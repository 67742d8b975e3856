"""Does a service enter the catalogue once, and only with what a catalogue needs?"""

from dataclasses import replace
from uuid import UUID

import pytest

from booking.add_service.decide import ADD_SERVICE, AddService, ServiceExists, ServiceInvalid
from portal_events.booking import Mode, ServiceAdded, ServiceKind
from portal_events.identity import Level
from portal_eventstore.spec import given

ID = UUID(int=1)
DENTIST = AddService(
    service_id=ID,
    name="Stomatolog",
    name_en="Dentist",
    kind=ServiceKind.DENTISTRY,
    modes=(Mode.IN_PERSON,),
    levels=(Level.BASIC, Level.FULL),
    referral_required=False,
    price=19900,
    covered=True,
    preparation="Umyj zęby",
    preparation_en="Brush your teeth",
)
ADDED = ServiceAdded(
    service_id=ID,
    name="Stomatolog",
    name_en="Dentist",
    kind=ServiceKind.DENTISTRY,
    modes=(Mode.IN_PERSON,),
    levels=(Level.BASIC, Level.FULL),
    referral_required=False,
    price=19900,
    covered=True,
    preparation="Umyj zęby",
    preparation_en="Brush your teeth",
)


def test_given_nothing_when_added_then_it_is_in_the_catalogue() -> None:
    given(ADD_SERVICE).when(DENTIST).then(ADDED)


def test_given_the_service_when_added_again_then_nothing() -> None:
    given(ADD_SERVICE, ADDED).when(DENTIST).then_nothing()


def test_given_another_service_with_the_id_when_added_then_refused() -> None:
    given(ADD_SERVICE, ADDED).when(replace(DENTIST, price=1)).then_refused(ServiceExists)


def test_given_nothing_to_prepare_and_nothing_to_pay_when_added_then_it_is_in_the_catalogue() -> None:
    given(ADD_SERVICE).when(replace(DENTIST, preparation="", preparation_en="", price=0)).then(
        ADDED.model_copy(update={"preparation": "", "preparation_en": "", "price": 0})
    )


@pytest.mark.parametrize(
    "command",
    [
        replace(DENTIST, name=" "),
        replace(DENTIST, name="Stomato\0log"),
        replace(DENTIST, name="Stomatolog \ud83e"),
        replace(DENTIST, name_en=""),
        replace(DENTIST, modes=()),
        replace(DENTIST, modes=(Mode.VIDEO, Mode.VIDEO)),
        replace(DENTIST, levels=()),
        replace(DENTIST, levels=(Level.FULL, Level.FULL)),
        replace(DENTIST, price=-1),
        replace(DENTIST, preparation=""),
        replace(DENTIST, preparation_en=""),
        replace(DENTIST, preparation_en=" "),
    ],
)
def test_given_something_missing_or_not_readable_when_added_then_refused(command: AddService) -> None:
    given(ADD_SERVICE).when(command).then_refused(ServiceInvalid)
