"""Does a patient see all of their own items, in order, once each, and nobody else's?"""

import base64
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.__main__ import SERVICE
from gateway.database import connected
from gateway.directory.project import DIRECTORY
from gateway.timeline.filters import Cursor, read_cursor
from gateway.timeline.project import TIMELINE
from portal_chassis.migrate import migrate
from portal_chassis.positions import encode
from portal_chassis.problems import Invalid
from portal_events.base import Event
from portal_events.booking import AppointmentBooked, DoctorAdded, FacilityAdded, Mode, ServiceAdded
from portal_events.stored import Metadata, StoredEvent
from portal_events.topics import PARTITIONS, events_topic, partition_for
from portal_eventstore.project import Received

connected_test = pytest.mark.connected

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOPIC = events_topic("booking")
SERVICE_ID, DOCTOR_ID, FACILITY_ID = uuid4(), uuid4(), uuid4()
ANNA, JAN = uuid4(), uuid4()

_positions = itertools.count(1)


def received(event: Event) -> Received:
    position = next(_positions)
    stored = StoredEvent(
        owner="booking",
        position=position,
        id=uuid4(),
        type=type(event).__name__,
        version=1,
        tags=(),
        data=event.model_dump_json(by_alias=True),
        time=NOON,
        metadata=Metadata(event.subject, "system:test", uuid4(), uuid4(), 1),
    )
    partition = partition_for(str(event.subject).encode(), PARTITIONS)
    return Received(TOPIC, partition, position, stored, event)


def booked(patient_id: UUID = ANNA, starts_at: datetime = NOON, **changed: Any) -> AppointmentBooked:
    return AppointmentBooked.model_validate(
        {
            "appointment_id": uuid4(),
            "slot_id": uuid4(),
            "patient_id": patient_id,
            "doctor_id": DOCTOR_ID,
            "service_id": SERVICE_ID,
            "facility_id": FACILITY_ID,
            "mode": Mode.IN_PERSON,
            "starts_at": starts_at,
            "minutes": 20,
            "zone": "Europe/Warsaw",
        }
        | changed
    )


NETWORK = [
    received(ServiceAdded(service_id=SERVICE_ID, name="Stomatolog", name_en="Dentist", price=20000)),
    received(
        FacilityAdded(
            facility_id=FACILITY_ID,
            name="Zdrovia Mokotów",
            street="Puławska 1",
            city="Warszawa",
            zone="Europe/Warsaw",
        )
    ),
    received(DoctorAdded(doctor_id=DOCTOR_ID, name="Maria Kowalska", pwz="5425740", languages=("pl",))),
]


@dataclass(frozen=True)
class World:
    portal: Any
    pool: Any

    async def apply(self, batch: Sequence[Received]) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await DIRECTORY.apply(connection, batch)
            await TIMELINE.apply(connection, batch)

    async def rows(self) -> list[str]:
        rows = await self.pool.fetch("select to_jsonb(t)::text as row from timeline t order by 1")
        return [row["row"] for row in rows]

    async def get(self, query: str = "", **headers: str) -> Any:
        return await self.portal.browser.get(f"/api/timeline{query}", headers=headers)

    async def ids(self, query: str = "") -> list[str]:
        response = await self.get(query)
        assert response.status_code == 200, response.text
        return [item["appointmentId"] for item in response.json()["items"]]


@pytest.fixture
async def world(portal: Any, database_url: str) -> AsyncIterator[World]:
    await migrate(database_url, *SERVICE.migrations)
    async with connected(database_url, "test") as pool:
        await pool.execute(TIMELINE.table)
        await pool.execute(DIRECTORY.table)
        portal.app.state.pool = pool
        yield World(portal, pool)


@connected_test
async def test_given_a_booking_when_read_then_the_whole_item_with_names(world: World) -> None:
    event = booked(starts_at=NOON + timedelta(days=1), mode=Mode.TELEPHONE)
    item = received(event)
    await world.apply([*NETWORK, item])
    await world.portal.sign_in(ANNA)

    response = await world.get()

    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "items": [
            {
                "id": str(item.stored.id),
                "kind": "telephone-consultation",
                "state": "planned",
                "startsAt": "2026-11-24T12:00:00Z",
                "zone": "Europe/Warsaw",
                "minutes": 20,
                "title": "Stomatolog",
                "doctor": "Maria Kowalska",
                "facility": {"name": "Zdrovia Mokotów", "street": "Puławska 1", "city": "Warszawa"},
                "appointmentId": str(event.appointment_id),
            }
        ],
        "next": None,
    }


@connected_test
async def test_given_names_not_there_yet_when_read_then_the_item_all_the_same(world: World) -> None:
    await world.apply([received(booked())])
    await world.portal.sign_in(ANNA)
    [item] = (await world.get()).json()["items"]
    assert (item["title"], item["doctor"], item["facility"]) == (None, None, None)


@connected_test
async def test_given_a_renamed_facility_when_both_are_in_one_batch_then_the_last_name(world: World) -> None:
    renamed = received(
        FacilityAdded(
            facility_id=FACILITY_ID,
            name="Zdrovia Wola",
            street="Wolska 2",
            city="Warszawa",
            zone="Europe/Warsaw",
        )
    )
    await world.apply([*NETWORK, received(booked()), renamed])
    await world.portal.sign_in(ANNA)
    [item] = (await world.get()).json()["items"]
    assert item["facility"]["name"] == "Zdrovia Wola"


@connected_test
async def test_given_partitions_in_any_order_and_any_batches_then_the_same_rows(world: World) -> None:
    patients = [uuid4() for _ in range(8)]
    events = [received(booked(p, NOON + timedelta(hours=n))) for n in range(4) for p in patients]
    lanes: dict[int, list[Received]] = {}
    for one in events:
        lanes.setdefault(one.partition, []).append(one)
    await world.apply(events)
    expected = await world.rows()
    assert len(expected) == len(events)
    chance = random.Random(7)

    for _ in range(5):
        await world.pool.execute("truncate timeline")
        waiting = {partition: list(lane) for partition, lane in lanes.items()}
        while waiting:
            partition = chance.choice(sorted(waiting))
            size = chance.randint(1, 4)
            batch, rest = waiting[partition][:size], waiting[partition][size:]
            await world.apply(batch)
            waiting[partition] = rest
            if not rest:
                del waiting[partition]
        assert await world.rows() == expected


@connected_test
async def test_given_the_same_event_twice_when_applied_then_one_item(world: World) -> None:
    one = received(booked())
    await world.apply([one])
    await world.apply([one, one])
    assert len(await world.rows()) == 1


@connected_test
async def test_given_1000_events_when_applied_then_in_one_statement(world: World) -> None:
    batch = [received(booked(starts_at=NOON + timedelta(minutes=n))) for n in range(1000)]
    statements: list[str] = []

    def count(sent: Any) -> None:
        # The driver's own questions about types do not count.
        if "timeline" in sent.query:
            statements.append(sent.query)

    async with world.pool.acquire() as connection, connection.transaction():
        with connection.query_logger(count):
            await TIMELINE.apply(connection, batch)
    assert len(statements) == 1
    assert len(await world.rows()) == 1000


@connected_test
async def test_hazard_another_patient_then_none_of_their_items_whatever_is_asked(world: World) -> None:
    mine, others = booked(ANNA), booked(JAN)
    await world.apply(
        [*NETWORK, received(mine), received(others), received(booked(JAN, NOON - timedelta(days=1)))]
    )
    await world.portal.sign_in(ANNA)
    beyond = Cursor(NOON + timedelta(days=9), UUID(int=2**128 - 1)).token()
    for query in (
        "",
        f"?patientId={JAN}",
        f"?patient_id={JAN}",
        f"?cursor={beyond}",
        "?from=2000-01-01&to=2100-01-01",
        "?kind=appointment",
        "?state=completed&limit=100",
    ):
        assert set(await world.ids(query)) <= {str(mine.appointment_id)}, query
    response = await world.get("", **{"X-Patient-Id": str(JAN), "Patient-Id": str(JAN)})
    assert str(others.appointment_id) not in response.text
    assert await world.ids() == [str(mine.appointment_id)]


@connected_test
async def test_given_a_visitor_when_reading_then_401(world: World) -> None:
    await world.apply([received(booked())])
    response = await world.get()
    assert (response.status_code, response.json()["type"]) == (401, "/problems/not-signed-in")


@connected_test
async def test_given_staff_when_reading_then_403(world: World) -> None:
    sessions = world.portal.app.state.sessions
    token = await sessions.open(account_id=uuid4(), patient_id=None, roles=("doctor",), replaces=None)
    world.portal.browser.cookies.set("portal", token)
    response = await world.get()
    assert (response.status_code, response.json()["type"]) == (403, "/problems/patient-only")


@connected_test
@pytest.mark.parametrize("limit", [1, 7, 20, 50, 100])
async def test_given_50_items_with_equal_times_when_paged_then_each_once_newest_first(
    world: World, limit: int
) -> None:
    times = [NOON + timedelta(hours=n % 3) for n in range(50)]
    events = [received(booked(ANNA, at)) for at in times]
    noise = [received(booked(JAN, at)) for at in times]
    await world.apply([*NETWORK, *events, *noise])
    await world.portal.sign_in(ANNA)

    found: list[Any] = []
    query = f"?limit={limit}"
    while True:
        page = (await world.get(query)).json()
        assert 0 < len(page["items"]) <= limit
        found += page["items"]
        assert len(found) <= 50, "the pages go round"
        if page["next"] is None:
            break
        query = f"?limit={limit}&cursor={page['next']}"

    ids = [item["id"] for item in found]
    assert len(ids) == 50
    assert set(ids) == {str(one.stored.id) for one in events}
    order = [(item["startsAt"], item["id"]) for item in found]
    assert order == sorted(order, reverse=True)


@connected_test
async def test_given_no_limit_when_read_then_20(world: World) -> None:
    await world.apply([received(booked(ANNA, NOON + timedelta(hours=n))) for n in range(21)])
    await world.portal.sign_in(ANNA)
    page = (await world.get()).json()
    assert len(page["items"]) == 20
    assert page["next"] is not None


@connected_test
async def test_given_a_new_item_between_two_pages_then_no_item_is_shown_twice(world: World) -> None:
    await world.apply([received(booked(ANNA, NOON + timedelta(hours=n))) for n in range(4)])
    await world.portal.sign_in(ANNA)
    first = (await world.get("?limit=2")).json()
    await world.apply([received(booked(ANNA, NOON + timedelta(days=3)))])
    second = (await world.get(f"?limit=2&cursor={first['next']}")).json()
    ids = [item["id"] for item in first["items"] + second["items"]]
    assert len(set(ids)) == 4
    assert second["next"] is None


@connected_test
async def test_given_items_around_now_when_read_then_planned_until_they_end(world: World) -> None:
    now: datetime = world.portal.clock.now
    over = booked(ANNA, now - timedelta(minutes=20))
    running = booked(ANNA, now - timedelta(minutes=19))
    coming = booked(ANNA, now + timedelta(days=1))
    await world.apply([received(one) for one in (over, running, coming)])
    await world.portal.sign_in(ANNA)

    states = {i["appointmentId"]: i["state"] for i in (await world.get()).json()["items"]}

    assert states == {
        str(over.appointment_id): "completed",
        str(running.appointment_id): "planned",
        str(coming.appointment_id): "planned",
    }
    assert await world.ids("?state=planned") == [str(coming.appointment_id), str(running.appointment_id)]
    assert await world.ids("?state=completed") == [str(over.appointment_id)]


@connected_test
async def test_given_dates_when_filtered_then_days_of_the_wall_clock_and_exact_instants(world: World) -> None:
    # 24 October 2026 is the eve of the change to winter time: midnight is 22:00 UTC before, 23:00 after.
    before = booked(ANNA, datetime(2026, 10, 24, 21, 59, tzinfo=UTC))
    first = booked(ANNA, datetime(2026, 10, 24, 22, 0, tzinfo=UTC))
    last = booked(ANNA, datetime(2026, 10, 25, 22, 59, tzinfo=UTC))
    after = booked(ANNA, datetime(2026, 10, 25, 23, 0, tzinfo=UTC))
    await world.apply([received(one) for one in (before, first, last, after)])
    await world.portal.sign_in(ANNA)
    of_the_day = [str(last.appointment_id), str(first.appointment_id)]

    assert await world.ids("?from=2026-10-25&to=2026-10-25") == of_the_day
    assert await world.ids("?from=2026-10-24T22:00:00Z&to=2026-10-25T23:00:00Z") == of_the_day
    assert await world.ids("?from=2026-10-25T00:00:00%2B02:00&to=2026-10-26T00:00:00%2B01:00") == of_the_day
    assert await world.ids("?to=2026-10-24") == [str(before.appointment_id)]
    assert await world.ids("?from=2026-10-26") == [str(after.appointment_id)]


@connected_test
async def test_given_kinds_when_filtered_then_those(world: World) -> None:
    visit, call, video = (
        booked(ANNA, NOON, mode=mode) for mode in (Mode.IN_PERSON, Mode.TELEPHONE, Mode.VIDEO)
    )
    await world.apply([received(one) for one in (visit, call, video)])
    await world.portal.sign_in(ANNA)
    assert await world.ids("?kind=appointment") == [str(visit.appointment_id)]
    both = {str(call.appointment_id), str(video.appointment_id)}
    assert set(await world.ids("?kind=telephone-consultation&kind=online-consultation")) == both


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("from=yesterday", "from"),
        ("from=2026-13-01", "from"),
        ("to=2026-02-30", "to"),
        ("to=2026-11-23T12:00:00", "to"),
        ("from=1764000000", "from"),
        ("to=9999-12-31", "to"),
        ("from=0001-01-01", "from"),
        ("kind=surgery", "kind"),
        ("state=cancelled", "state"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=%00", "cursor"),
        (f"cursor={base64.urlsafe_b64encode(bytes(23)).decode()}", "cursor"),
        (f"cursor={base64.urlsafe_b64encode(bytes([127]) * 24).decode()}", "cursor"),
    ],
)
async def test_given_a_wrong_filter_when_reading_then_422_names_it(
    portal: Any, query: str, parameter: str
) -> None:
    await portal.sign_in(ANNA)
    response = await portal.browser.get(f"/api/timeline?{query}")
    assert (response.status_code, response.json()["type"]) == (422, "/problems/invalid")
    [error] = response.json()["errors"]
    assert error["parameter"] == parameter


def test_given_a_cursor_when_written_and_read_then_the_same_place() -> None:
    cursor = Cursor(NOON + timedelta(microseconds=1), uuid4())
    assert read_cursor(cursor.token()) == cursor
    with pytest.raises(Invalid):
        read_cursor(cursor.token()[:-1])


@connected_test
async def test_given_a_position_when_the_view_is_there_then_fresh_else_told(world: World) -> None:
    await world.pool.execute("insert into projection_topic values ('timeline', $1)", TOPIC)
    await world.pool.execute("insert into projection_position values ('timeline', $1, 3, 9, 41)", TOPIC)
    await world.portal.sign_in(ANNA)

    there = await world.get("", **{"Portal-Position": encode({(TOPIC, 3): 41, ("identity.events", 1): 99})})
    behind = await world.get("", **{"Portal-Position": encode({(TOPIC, 3): 42})})

    assert "portal-stale" not in there.headers
    assert (behind.status_code, behind.headers["portal-stale"]) == (200, "true")
    assert behind.headers["portal-position"] == encode({(TOPIC, 3): 42})


@connected_test
async def test_hazard_no_view_yet_then_503_not_500(world: World) -> None:
    await world.pool.execute("drop table timeline")
    await world.portal.sign_in(ANNA)
    response = await world.get()
    assert (response.status_code, response.json()["type"]) == (503, "/problems/service-unavailable")
