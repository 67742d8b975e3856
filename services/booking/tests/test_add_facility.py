"""Does a facility enter the catalogue once, and only with a wall clock that exists?"""

from dataclasses import replace
from uuid import UUID

import pytest

from booking.add_facility.decide import (
    ADD_FACILITY,
    AddFacility,
    FacilityExists,
    FacilityInvalid,
    ZoneUnknown,
)
from portal_events.booking import FacilityAdded
from portal_eventstore.spec import given

ID = UUID(int=1)
OCHOTA = AddFacility(
    facility_id=ID,
    name="Zdrovia Ochota",
    street="ul. 1 Sierpnia 8",
    postal_code="02-134",
    city="Warszawa",
    zone="Europe/Warsaw",
    phone="+48221234567",
    partner=False,
)
ADDED = FacilityAdded(
    facility_id=ID,
    name="Zdrovia Ochota",
    street="ul. 1 Sierpnia 8",
    postal_code="02-134",
    city="Warszawa",
    zone="Europe/Warsaw",
    phone="+48221234567",
    partner=False,
)


def test_given_nothing_when_added_then_it_is_in_the_catalogue() -> None:
    given(ADD_FACILITY).when(OCHOTA).then(ADDED)


def test_given_the_facility_when_added_again_then_nothing() -> None:
    given(ADD_FACILITY, ADDED).when(OCHOTA).then_nothing()


def test_given_another_facility_with_the_id_when_added_then_refused() -> None:
    given(ADD_FACILITY, ADDED).when(replace(OCHOTA, street="ul. Domaniewska 41B")).then_refused(
        FacilityExists
    )


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "", "../etc/passwd", "Europe", "Europe/War\0saw"])
def test_given_no_such_zone_when_added_then_refused(zone: str) -> None:
    given(ADD_FACILITY).when(replace(OCHOTA, zone=zone)).then_refused(ZoneUnknown)


@pytest.mark.parametrize(
    "command",
    [
        replace(OCHOTA, name=""),
        replace(OCHOTA, street=" "),
        replace(OCHOTA, city=""),
        replace(OCHOTA, city="War\0szawa"),
        replace(OCHOTA, postal_code=""),
        replace(OCHOTA, postal_code="02134"),
        replace(OCHOTA, postal_code="02-134\n"),
        replace(OCHOTA, phone=""),
        replace(OCHOTA, phone="22 123 45 67"),
        replace(OCHOTA, phone="+0221234567"),
        replace(OCHOTA, phone="+48٢٢1234567"),  # digits, but not ASCII's
    ],
)
def test_given_a_place_that_nobody_finds_or_reaches_when_added_then_refused(command: AddFacility) -> None:
    given(ADD_FACILITY).when(command).then_refused(FacilityInvalid)
