"""Which offers does a doctor's day hold, and does opening it again add anything?"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from booking.open_doctor_day.decide import (
    OPEN_DOCTOR_DAY,
    DoctorUnknown,
    FacilityUnknown,
    HoursInvalid,
    OfferDiffers,
    OpenDoctorDay,
    Session,
    slot_id,
)
from booking.rules.service_terms import ModeNotOffered, ServiceUnknown
from booking.rules.wall_clock import Hours
from portal_events.booking import DoctorAdded, DoctorDayOpened, FacilityAdded, Mode, Visit
from portal_events.testing import DENTIST, DOCTOR, OCHOTA, opened, service, visit
from portal_eventstore.spec import given

MOKOTOW, VILNIUS = UUID(int=8), UUID(int=9)
DAY = date(2026, 11, 2)


def facility(facility_id: UUID, zone: str = "Europe/Warsaw") -> FacilityAdded:
    return FacilityAdded(
        facility_id=facility_id,
        name="Zdrovia",
        street="ul. 1 Sierpnia 8",
        postal_code="02-134",
        city="Warszawa",
        zone=zone,
        phone="+48221234567",
        partner=False,
    )


CATALOGUE = (
    DoctorAdded(doctor_id=DOCTOR, name="lek. med. Anna Nowak", pwz="5425740", languages=("pl",)),
    facility(OCHOTA),
    service(modes=(Mode.IN_PERSON, Mode.TELEPHONE)),
)
SECOND_FACILITY = facility(MOKOTOW)
FOREIGN_FACILITY = facility(VILNIUS, "Europe/Vilnius")
SESSION = Session(
    facility_id=OCHOTA,
    service_id=DENTIST,
    mode=Mode.IN_PERSON,
    hours=Hours(time(18), time(19)),
    minutes=30,
)
OPEN = OpenDoctorDay(doctor_id=DOCTOR, day=DAY, sessions=(SESSION,))
AT_16 = datetime(2026, 11, 2, 16, tzinfo=UTC)
AT_17 = datetime(2026, 11, 2, 17, tzinfo=UTC)
AT_1730 = datetime(2026, 11, 2, 17, 30, tzinfo=UTC)


def offer(starts_at: datetime, facility: UUID = OCHOTA, zone: str = "Europe/Warsaw") -> Visit:
    slot = slot_id(DOCTOR, facility, DENTIST, starts_at)
    return visit(starts_at, slot_id=slot, facility_id=facility, zone=zone)


def test_given_the_catalogue_when_opened_then_one_event_holds_the_days_slots() -> None:
    given(OPEN_DOCTOR_DAY, *CATALOGUE).when(OPEN).then(opened(offer(AT_17), offer(AT_1730)))


def test_given_the_day_when_opened_again_then_nothing() -> None:
    given(OPEN_DOCTOR_DAY, *CATALOGUE, opened(offer(AT_17), offer(AT_1730))).when(OPEN).then_nothing()


def test_given_half_of_the_day_when_opened_then_only_the_rest_is_added() -> None:
    given(OPEN_DOCTOR_DAY, *CATALOGUE, opened(offer(AT_17))).when(OPEN).then(opened(offer(AT_1730)))


def test_given_two_facilities_when_opened_then_both_may_offer_the_same_time() -> None:
    command = replace(OPEN, sessions=(SESSION, replace(SESSION, facility_id=MOKOTOW)))
    given(OPEN_DOCTOR_DAY, *CATALOGUE, SECOND_FACILITY).when(command).then(
        opened(offer(AT_17), offer(AT_1730), offer(AT_17, MOKOTOW), offer(AT_1730, MOKOTOW))
    )


def test_given_facilities_in_two_zones_when_opened_then_each_zone_has_its_event() -> None:
    command = replace(OPEN, sessions=(SESSION, replace(SESSION, facility_id=VILNIUS)))
    given(OPEN_DOCTOR_DAY, *CATALOGUE, FOREIGN_FACILITY).when(command).then(
        opened(offer(AT_17), offer(AT_1730)),
        opened(
            offer(AT_16, VILNIUS, "Europe/Vilnius"),
            offer(datetime(2026, 11, 2, 16, 30, tzinfo=UTC), VILNIUS, "Europe/Vilnius"),
        ),
    )


def test_given_an_offer_when_opened_with_another_length_then_refused() -> None:
    command = replace(OPEN, sessions=(replace(SESSION, minutes=20),))
    given(OPEN_DOCTOR_DAY, *CATALOGUE, opened(offer(AT_17))).when(command).then_refused(OfferDiffers)


def test_given_one_offer_in_two_ways_when_opened_then_refused() -> None:
    command = replace(OPEN, sessions=(SESSION, replace(SESSION, mode=Mode.TELEPHONE)))
    given(OPEN_DOCTOR_DAY, *CATALOGUE).when(command).then_refused(OfferDiffers)


def test_given_no_such_doctor_when_opened_then_refused() -> None:
    given(OPEN_DOCTOR_DAY, *CATALOGUE[1:]).when(OPEN).then_refused(DoctorUnknown)


def test_given_no_such_facility_when_opened_then_refused() -> None:
    given(OPEN_DOCTOR_DAY, CATALOGUE[0], CATALOGUE[2]).when(OPEN).then_refused(FacilityUnknown)


def test_given_no_such_service_when_opened_then_refused() -> None:
    given(OPEN_DOCTOR_DAY, *CATALOGUE[:2]).when(OPEN).then_refused(ServiceUnknown)


def test_given_a_way_that_the_service_does_not_have_when_opened_then_refused() -> None:
    command = replace(OPEN, sessions=(SESSION, replace(SESSION, mode=Mode.VIDEO)))
    given(OPEN_DOCTOR_DAY, *CATALOGUE).when(command).then_refused(ModeNotOffered)


PUT_BACK, PUT_FORWARD = date(2026, 10, 25), date(2027, 3, 28)
NIGHT = replace(SESSION, hours=Hours(time(0), time(6)), breaks=(Hours(time(4), time(4, 30)),))


@pytest.mark.parametrize(
    ("day", "wall"),
    [
        (date(2026, 10, 24), "00:00 00:30 01:00 01:30 02:00 02:30 03:00 03:30 04:30 05:00 05:30"),
        (PUT_BACK, "00:00 00:30 01:00 01:30 02:00 02:30 02:00 02:30 03:00 03:30 04:30 05:00 05:30"),
        (PUT_FORWARD, "00:00 00:30 01:00 01:30 03:00 03:30 04:30 05:00 05:30"),
    ],
)
def test_given_a_night_of_the_clocks_change_when_opened_then_every_moment_is_offered_once(
    day: date, wall: str
) -> None:
    event = only_event(replace(OPEN, day=day, sessions=(NIGHT,)))
    shown = [slot.starts_at.astimezone(ZoneInfo(event.zone)).strftime("%H:%M") for slot in event.slots]
    assert shown == wall.split()
    assert len({slot.slot_id for slot in event.slots}) == len(event.slots)
    pairs = list(pairwise(slot.starts_at for slot in event.slots))
    assert [later - earlier for earlier, later in pairs].count(timedelta(minutes=30)) == len(pairs) - 1


@pytest.mark.parametrize("day", [PUT_BACK, PUT_FORWARD])
def test_given_the_clocks_changed_in_the_night_when_a_day_is_opened_then_its_hours_are_the_walls(
    day: date,
) -> None:
    # The same hours before, on and after the change: the wall clock says the same, the instants do not.
    offsets = []
    for around in (day - timedelta(days=1), day, day + timedelta(days=1)):
        event = only_event(replace(OPEN, day=around))
        starts = [slot.starts_at.astimezone(ZoneInfo(event.zone)) for slot in event.slots]
        assert [start.strftime("%F %H:%M") for start in starts] == [f"{around} 18:00", f"{around} 18:30"]
        offsets.append(starts[0].utcoffset())
    assert offsets[0] != offsets[1] == offsets[2]


def only_event(command: OpenDoctorDay) -> DoctorDayOpened:
    state = OPEN_DOCTOR_DAY.initial
    for fact in CATALOGUE:
        state = OPEN_DOCTOR_DAY.evolve(state, fact)
    [event] = OPEN_DOCTOR_DAY.decide(command, state)
    assert isinstance(event, DoctorDayOpened)
    return event


@pytest.mark.parametrize(
    "session",
    [
        replace(SESSION, hours=Hours(time(19), time(18))),
        replace(SESSION, hours=Hours(time(18), time(18, 20))),
        replace(SESSION, breaks=(Hours(time(18, 30), time(18, 30)),)),
        replace(SESSION, minutes=0),
        replace(SESSION, minutes=481),
    ],
)
def test_given_hours_without_a_visit_when_opened_then_refused(session: Session) -> None:
    given(OPEN_DOCTOR_DAY, *CATALOGUE).when(replace(OPEN, sessions=(session,))).then_refused(HoursInvalid)


def test_given_an_offer_when_named_then_its_id_never_changes() -> None:
    doctor, facility, service = UUID(int=1), UUID(int=2), UUID(int=5)
    assert slot_id(doctor, facility, service, AT_17) == UUID("d04ba193-967c-5a31-b9c5-e81ff0e974e5")
