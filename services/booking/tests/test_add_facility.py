"""Does a facility enter the catalogue once, and only with a wall clock that exists?"""

from dataclasses import replace
from uuid import UUID

import pytest

from booking.add_facility.decide import ADD_FACILITY, AddFacility, FacilityExists, ZoneUnknown
from portal_events.booking import FacilityAdded
from portal_eventstore.spec import given

ID = UUID(int=1)
OCHOTA = AddFacility(
    facility_id=ID, name="Zdrovia Ochota", street="ul. 1 Sierpnia 8", city="Warszawa", zone="Europe/Warsaw"
)
ADDED = FacilityAdded(
    facility_id=ID, name="Zdrovia Ochota", street="ul. 1 Sierpnia 8", city="Warszawa", zone="Europe/Warsaw"
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
