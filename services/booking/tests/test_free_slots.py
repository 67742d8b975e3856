"""Does the search show what is free, by every preference, and in order?"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from booking.open_doctor_day.decide import OPEN_DOCTOR_DAY, OpenDoctorDay
from booking.rules.wall_clock import Hours
from portal_events.booking import DoctorAdded
from portal_events.testing import ANNA, JAN, booked, held

from .house import (
    CONTEXT,
    DENTIST,
    DENTISTS_VISIT,
    INTERNIST,
    LIS,
    MOKOTOW,
    NOW,
    NOWAK,
    OCHOTA,
    SIX,
    House,
    session,
    slot_of,
)
from .searching import added, catch_up, clocks, day_of, dentists_visit, happened, lines, search

pytestmark = pytest.mark.connected

HALF_PAST_SIX = SIX + timedelta(minutes=30)
PHYSIOTHERAPY = UUID(int=14)
LAST_TWO = ["18:30", "18:30"]
PARTS = ("morning", "afternoon", "evening")


def starts(items: list[dict[str, Any]]) -> list[str]:
    return [line[:5] for line in lines(items)]


def days(day: date) -> dict[str, str]:
    return {"from": str(day), "to": str(day)}


async def test_given_open_days_when_searched_then_free_slots_by_time_doctor_and_address(shown: House) -> None:
    items = await search(shown)
    assert lines(items)[:5] == [
        "17:00 lek. dent. Ewa Lis ul. Dietla 60",
        "17:00 lek. med. Anna Nowak ul. 1 Sierpnia 8",
        "17:00 lek. med. Anna Nowak ul. Domaniewska 41B",
        "17:30 lek. dent. Ewa Lis ul. Dietla 60",
        "17:30 lek. med. Anna Nowak ul. 1 Sierpnia 8",
    ]
    assert items[1] == {
        "slotId": str(slot_of()),
        "startsAt": "2026-11-02T17:00:00Z",
        "zone": "Europe/Warsaw",
        "minutes": 30,
        "mode": "in-person",
        "service": {"id": str(DENTIST), "name": "Stomatolog", "nameEn": "Dentist"},
        "doctor": {"id": str(NOWAK), "name": "lek. med. Anna Nowak"},
        "facility": {
            "id": str(OCHOTA),
            "name": "Zdrovia Ochota",
            "street": "ul. 1 Sierpnia 8",
            "postalCode": "02-134",
            "city": "Warszawa",
        },
    }


async def test_given_a_booking_when_searched_then_every_offer_of_that_time_is_gone(shown: House) -> None:
    assert (await shown.book({"slotId": str(slot_of(HALF_PAST_SIX))}, patient=JAN)).status_code == 201
    await catch_up(shown)
    # What ends when it begins, and what begins when it ends, is still free.
    assert [line[:5] for line in lines(await search(shown, doctorId=str(NOWAK)))] == [
        "17:00",
        "17:00",
        "18:00",
        "18:00",
        "18:30",
        "18:30",
    ]
    # The row is still there: a taken slot is refused as taken, not as unknown.
    answer = await shown.book({"slotId": str(slot_of(HALF_PAST_SIX, facility=MOKOTOW))})
    assert answer.json()["type"] == "/problems/slot-taken"


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 10),
        ({"city": "Kraków"}, 2),
        ({"city": "Radom"}, 0),
        ({"facilityId": str(MOKOTOW)}, 4),
        ({"doctorId": str(LIS)}, 2),
        ({"doctorId": str(LIS), "facilityId": str(MOKOTOW)}, 0),
        ({"mode": "in-person"}, 10),
        ({"language": "pl"}, 10),
        ({"language": "uk"}, 2),
        ({"language": "de"}, 0),
        ({"language": "uk", "city": "Warszawa"}, 0),
        ({"partOfDay": "morning"}, 0),
        ({"partOfDay": "afternoon"}, 0),
        ({"partOfDay": "evening"}, 10),
        ({"from": "2026-11-02", "to": "2026-11-02"}, 10),
        ({"from": "2026-11-03"}, 0),
        ({"to": "2026-11-01"}, 0),
        ({"from": "2026-10-01", "to": "2026-10-31"}, 0),
    ],
)
async def test_given_preferences_when_searched_then_only_what_fits(
    shown: House, filters: dict[str, str], count: int
) -> None:
    assert len(await search(shown, limit="100", **filters)) == count


async def test_given_another_service_when_searched_then_its_own_slots(shown: House) -> None:
    answer = await shown.get("/slots", serviceId=str(INTERNIST), mode="video")
    assert [item["mode"] for item in answer.json()["items"]] == ["video", "video"]
    # Offered in person, too, but by nobody on any day: there is truly nothing.
    answer = await shown.get("/slots", serviceId=str(INTERNIST), mode="in-person")
    assert (answer.status_code, answer.json()["items"]) == (200, [])


async def test_given_a_service_that_cannot_be_had_so_when_searched_then_told_instead_of_nothing(
    shown: House,
) -> None:
    await happened(
        shown,
        added(replace(DENTISTS_VISIT, service_id=PHYSIOTHERAPY, referral_required=True)),
        day_of(SIX, service=PHYSIOTHERAPY),
    )
    for query, status, code in (
        ({"serviceId": str(UUID(int=404))}, 404, "service-unknown"),
        ({"serviceId": str(DENTIST), "mode": "video"}, 422, "mode-not-offered"),
        ({"serviceId": str(PHYSIOTHERAPY)}, 409, "referral-required"),
        ({"serviceId": str(PHYSIOTHERAPY), "city": "Radom"}, 409, "referral-required"),
        ({"serviceId": str(PHYSIOTHERAPY), "mode": "video"}, 422, "mode-not-offered"),
    ):
        answer = await shown.get("/slots", **query)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{code}"), query


async def test_given_the_time_has_come_when_searched_then_the_slot_is_gone(shown: House) -> None:
    for now, first in ((SIX - timedelta(microseconds=1), "17:00"), (SIX, "17:30")):
        shown.clock.append(now)
        assert lines(await search(shown))[0][:5] == first


async def test_given_anothers_hold_when_searched_then_the_doctors_time_is_hidden_while_it_lives(
    shown: House,
) -> None:
    await happened(shown, held(dentists_visit(), JAN, expires_at=NOW + timedelta(minutes=5)))
    assert starts(await search(shown, doctorId=str(NOWAK))) == ["17:30", "17:30", "18:00", "18:00", *LAST_TWO]
    # Its holder still sees it, at either address; and everybody does at the very moment when it lapses.
    assert starts(await search(shown, JAN, doctorId=str(NOWAK)))[:2] == ["17:00", "17:00"]
    shown.clock.append(NOW + timedelta(minutes=5))
    assert starts(await search(shown, doctorId=str(NOWAK)))[:2] == ["17:00", "17:00"]


async def test_given_ones_own_appointment_when_searched_then_it_is_taken_for_oneself_too(
    shown: House,
) -> None:
    await happened(shown, booked(dentists_visit()))
    assert starts(await search(shown, doctorId=str(NOWAK)))[0] == "17:30"


async def test_given_ones_own_hold_beside_anothers_when_searched_then_anothers_counts(shown: House) -> None:
    await happened(shown, held(dentists_visit()), held(dentists_visit(HALF_PAST_SIX), JAN))
    assert starts(await search(shown, doctorId=str(NOWAK)))[:3] == ["17:00", "17:00", "18:00"]


async def test_given_two_doctors_of_one_name_when_searched_then_each_ones_addresses_stand_together(
    shown: House,
) -> None:
    namesakes = [UUID(int=n) for n in (35, 36)]
    await happened(
        shown,
        *(
            DoctorAdded(doctor_id=doctor, name="lek. med. Adam Nowak", pwz="5425740", languages=("pl",))
            for doctor in namesakes
        ),
        *(
            day_of(SIX, doctor=doctor, facility=facility)
            for facility in (MOKOTOW, OCHOTA)
            for doctor in namesakes
        ),
    )
    found = [
        (UUID(item["doctor"]["id"]), item["facility"]["street"])
        for item in await search(shown, city="Warszawa", limit="6")
    ]
    streets = ["ul. 1 Sierpnia 8", "ul. Domaniewska 41B"]
    assert found == [(doctor, street) for doctor in [*namesakes, NOWAK] for street in streets]


PUT_BACK, PUT_FORWARD = date(2026, 10, 25), date(2027, 3, 28)
WHOLE_DAY = Hours(time(0), time(0))


@pytest.mark.parametrize(("day", "count"), [(PUT_BACK, 50), (PUT_FORWARD, 46)])
async def test_given_a_day_of_the_clocks_change_when_searched_then_its_slots_come_once_and_no_others(
    shown: House, day: date, count: int
) -> None:
    shown.clock.append(datetime.combine(day - timedelta(days=5), time(12), UTC))
    dates = [day + timedelta(days=n) for n in (-1, 0, 1)]
    for each in dates:
        hours = session(OCHOTA, WHOLE_DAY)
        await shown.decider.execute(
            OPEN_DOCTOR_DAY, OpenDoctorDay(doctor_id=NOWAK, day=each, sessions=(hours,)), CONTEXT
        )
    await catch_up(shown)
    for each, slots in zip(dates, (48, count, 48), strict=True):
        found = await search(shown, limit="100", **days(each))
        assert len({item["slotId"] for item in found}) == len(found) == slots
        assert {clock[:10] for clock in clocks(found)} == {str(each)}
        parts = {part: await search(shown, limit="100", partOfDay=part, **days(each)) for part in PARTS}
        # The longer or shorter night is the morning's; noon and five are where the wall has them.
        assert [len(part) for part in parts.values()] == [slots - 24, 10, 14]
        assert [clocks(part)[0][11:] for part in parts.values()] == ["00:00", "12:00", "17:00"]
        assert [item for part in parts.values() for item in part] == found


async def test_given_another_zone_when_searched_by_part_of_day_then_its_own_wall_counts(shown: House) -> None:
    half_past_eleven = datetime(2026, 11, 2, 11, 30, tzinfo=UTC)  # 12:30 in Warsaw
    await happened(shown, day_of(half_past_eleven, zone="Europe/Lisbon"))
    found = await search(shown, partOfDay="morning")
    assert clocks(found) == ["2026-11-02 11:30"]
    assert await search(shown, partOfDay="afternoon") == []


async def test_given_pages_when_followed_then_every_slot_comes_once_in_order(shown: House) -> None:
    whole = [item["slotId"] for item in await search(shown, limit="100")]
    for limit in ("1", "3", "9", "10"):
        followed: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await shown.get("/slots", serviceId=str(DENTIST), limit=limit, **cursor)
            followed += [item["slotId"] for item in answer.json()["items"]]
            if answer.json()["next"] is None:
                break
            cursor = {"cursor": answer.json()["next"]}
        assert followed == whole


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({}, "serviceId"),
        ({"serviceId": "x"}, "serviceId"),
        ({"serviceId": str(DENTIST), "from": "2026-11-03", "to": "2026-11-02"}, "to"),
        ({"serviceId": str(DENTIST), "from": "2026-11-01", "to": "2027-02-02"}, "to"),
        ({"serviceId": str(DENTIST), "from": "0001-01-01"}, "from"),
        ({"serviceId": str(DENTIST), "to": "9999-12-31"}, "to"),
        ({"serviceId": str(DENTIST), "from": "tomorrow"}, "from"),
        ({"serviceId": str(DENTIST), "city": "\0"}, "city"),
        ({"serviceId": str(DENTIST), "mode": "pigeon"}, "mode"),
        ({"serviceId": str(DENTIST), "limit": "0"}, "limit"),
        ({"serviceId": str(DENTIST), "limit": "101"}, "limit"),
        ({"serviceId": str(DENTIST), "cursor": "x"}, "cursor"),
        ({"serviceId": str(DENTIST), "cursor": "WzFd"}, "cursor"),
        ({"serviceId": str(DENTIST), "cursor": "żółć"}, "cursor"),
        ({"serviceId": str(DENTIST), "language": "polish"}, "language"),
        ({"serviceId": str(DENTIST), "partOfDay": "night"}, "partOfDay"),
        ({"serviceId": str(DENTIST), "kind": "dentistry"}, "kind"),
    ],
)
async def test_given_a_malformed_search_when_made_then_422_names_the_parameter(
    shown: House, query: dict[str, str], parameter: str
) -> None:
    answer = await shown.client.get("/slots", params=query, headers=shown.gate.headers(ANNA))
    assert answer.status_code == 422, answer.text
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


async def test_given_a_cursor_from_before_when_time_goes_on_then_nothing_that_has_begun_is_shown(
    shown: House,
) -> None:
    first = await shown.get("/slots", serviceId=str(DENTIST), limit="1")
    shown.clock.append(HALF_PAST_SIX)
    answer = await shown.get("/slots", serviceId=str(DENTIST), cursor=first.json()["next"])
    assert starts(answer.json()["items"])[0] == "18:00"


async def test_given_the_widest_window_when_searched_then_92_days_are_allowed(shown: House) -> None:
    assert len(await search(shown, **{"from": "2026-11-01", "to": "2027-02-01", "limit": "1"})) == 1


async def test_given_nobody_when_searched_then_401(shown: House) -> None:
    answer = await shown.client.get("/slots", params={"serviceId": str(DENTIST)})
    assert answer.status_code == 401


async def test_given_a_view_that_is_behind_when_searched_then_the_answer_says_so(shown: House) -> None:
    async def behind(*_: object) -> dict[str, str]:
        return {"Portal-Stale": "true", "Portal-Fresh-At": "2026-11-23T19:00:00Z"}

    shown.state.seen = behind
    answer = await shown.get("/slots", serviceId=str(DENTIST))
    assert answer.headers["Portal-Stale"] == "true"
    assert answer.headers["Portal-Fresh-At"] == "2026-11-23T19:00:00Z"
