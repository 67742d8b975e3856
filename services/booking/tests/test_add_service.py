"""Does a service enter the catalogue once, and only with what a catalogue needs?"""

from dataclasses import replace
from uuid import UUID

import pytest

from booking.add_service.decide import ADD_SERVICE, AddService, ServiceExists, ServiceInvalid
from portal_events.booking import ServiceAdded
from portal_eventstore.spec import given

ID = UUID(int=1)
DENTIST = AddService(service_id=ID, name="Stomatolog", name_en="Dentist", price=19900)
ADDED = ServiceAdded(service_id=ID, name="Stomatolog", name_en="Dentist", price=19900)


def test_given_nothing_when_added_then_it_is_in_the_catalogue() -> None:
    given(ADD_SERVICE).when(DENTIST).then(ADDED)


def test_given_the_service_when_added_again_then_nothing() -> None:
    given(ADD_SERVICE, ADDED).when(DENTIST).then_nothing()


def test_given_another_service_with_the_id_when_added_then_refused() -> None:
    given(ADD_SERVICE, ADDED).when(replace(DENTIST, price=1)).then_refused(ServiceExists)


@pytest.mark.parametrize(
    "command", [replace(DENTIST, name=" "), replace(DENTIST, name_en=""), replace(DENTIST, price=-1)]
)
def test_given_a_name_or_price_missing_when_added_then_refused(command: AddService) -> None:
    given(ADD_SERVICE).when(command).then_refused(ServiceInvalid)
