"""Does the search show what is free, in order, and the same whatever order the events came in?"""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from booking.add_service.decide import ADD_SERVICE, AddService
from booking.open_doctor_day.decide import slot_id
from portal_events.base import Event
from portal_events.booking import DoctorDayOpened, Mode, ServiceAdded, Slot
from portal_events.stored import StoredEvent

from .house import (
    ANNA,
    CONTEXT,
    DENTIST,
    DENTISTS_VISIT,
    INTERNIST,
    JAN,
    KRAKOW,
    LIS,
    MOKOTOW,
    NOWAK,
    OCHOTA,
    SIX,
    House,
    project,
    received_from,
    slot_of,
)

pytestmark = pytest.mark.connected

HALF_PAST_SIX = SIX + timedelta(minutes=30)
PHYSIOTHERAPY = UUID(int=14)
WARSAW = ZoneInfo("Europe/Warsaw")


async def search(house: House, **query: str) -> list[dict[str, Any]]:
    answer = await house.get("/slots", serviceId=str(DENTIST), **query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def lines(items: list[dict[str, Any]]) -> list[str]:
    """Show items as the page shows them."""
    return [f"{i['startsAt'][11:16]} {i['doctor']['name']} {i['facility']['street']}" for i in items]


async def catch_up(house: House, after: int = 0) -> None:
    await project(house.state.views, await house.store.tail(after, 1000))


async def happened(house: House, *events: Event) -> None:
    """Let these events come to pass and reach the views."""
    outcome = await house.decider.append(events, CONTEXT)
    await catch_up(house, outcome.positions[0] - 1)


def added(service: AddService) -> ServiceAdded:
    [event] = ADD_SERVICE.decide(service, ADD_SERVICE.initial)
    assert isinstance(event, ServiceAdded)
    return event


def days_of(service: UUID, *starts: datetime, minutes: int = 30) -> list[DoctorDayOpened]:
    """Let Nowak offer a service at these times, each on a day of its own."""
    return [
        DoctorDayOpened(
            doctor_id=NOWAK,
            date=starts_at.astimezone(WARSAW).date(),
            zone="Europe/Warsaw",
            slots=(
                Slot(
                    slot_id=slot_id(NOWAK, OCHOTA, service, starts_at),
                    service_id=service,
                    facility_id=OCHOTA,
                    mode=Mode.IN_PERSON,
                    starts_at=starts_at,
                    minutes=minutes,
                ),
            ),
        )
        for starts_at in starts
    ]


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
        *days_of(PHYSIOTHERAPY, SIX),
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
    headers = shown.gate.headers(ANNA)
    shown.state.token_verifier = _AnyTime(shown.state.token_verifier)
    for clock, first in ((SIX - timedelta(microseconds=1), "17:00"), (SIX, "17:30")):
        shown.state.clock = lambda now=clock: now
        answer = await shown.client.get("/slots", params={"serviceId": str(DENTIST)}, headers=headers)
        assert answer.json()["items"][0]["startsAt"][11:16] == first


class _AnyTime:
    """Verifies tokens at the time they were signed, whatever the app's clock says."""

    def __init__(self, verifier: Any) -> None:
        self._verifier = verifier

    def verify(self, token: str, *, now: Any) -> Any:
        return self._verifier.verify(token, now=SIX - timedelta(hours=29) if now else now)


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


async def test_given_the_widest_window_when_searched_then_92_days_are_allowed(shown: House) -> None:
    assert len(await search(shown, **{"from": "2026-11-01", "to": "2027-02-01", "limit": "1"})) == 1


async def test_given_nobody_when_searched_then_401(shown: House) -> None:
    answer = await shown.client.get("/slots", params={"serviceId": str(DENTIST)})
    assert answer.status_code == 401


async def test_given_a_view_that_is_behind_when_searched_then_the_answer_says_so(shown: House) -> None:
    async def behind(*_: object) -> bool:
        return False

    shown.state.seen = behind
    answer = await shown.get("/slots", serviceId=str(DENTIST))
    assert answer.headers["Portal-Stale"] == "true"


async def test_given_partitions_in_any_order_when_applied_then_the_search_and_the_rows_are_the_same(
    shown: House,
) -> None:
    for patient, slot in ((ANNA, slot_of()), (JAN, slot_of(HALF_PAST_SIX, facility=KRAKOW, doctor=LIS))):
        assert (await shown.book({"slotId": str(slot)}, patient=patient)).status_code == 201
    log = await shown.store.tail(0, 1000)
    expected = None
    for seed in range(12):
        await empty(shown.state.views)
        for batch in interleaved(log, random.Random(seed)):
            await project(shown.state.views, batch)
        found = (lines(await search(shown, limit="100")), await rows(shown.state.views))
        expected = expected or found
        assert found == expected
    await project(shown.state.views, log)
    assert (lines(await search(shown, limit="100")), await rows(shown.state.views)) == expected


def interleaved(log: list[StoredEvent], chance: random.Random) -> Iterator[list[StoredEvent]]:
    """Yield batches that keep each partition's order and mix the partitions; one of them comes last."""
    waiting: dict[int, list[StoredEvent]] = defaultdict(list)
    for stored in log:
        waiting[received_from(stored).partition].append(stored)
    delayed = waiting.pop(chance.choice(sorted(waiting)))
    while waiting:
        partition = chance.choice(sorted(waiting))
        count = chance.randint(1, len(waiting[partition]))
        yield waiting[partition][:count]
        waiting[partition] = waiting[partition][count:]
        if not waiting[partition]:
            del waiting[partition]
    yield delayed


TABLES = (
    "catalogue_service",
    "catalogue_facility",
    "catalogue_doctor",
    "catalogue_practice",
    "free_slots_offer",
    "free_slots_place",
    "free_slots_busy",
    "appointments",
)


async def empty(views: Any) -> None:
    await views.execute(f"truncate {', '.join(TABLES)}")


async def rows(views: Any) -> list[Any]:
    return [await views.fetch(f"select * from {table} order by 1, 2") for table in TABLES]  # noqa: S608
