"""Does a patient see all of their own items, in order, once each, and nobody else's?"""

import base64
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.timeline.filters import Cursor, read_cursor
from gateway.timeline.project import TIMELINE
from portal_chassis.positions import encode
from portal_chassis.problems import Invalid
from portal_events.booking import Mode, Source
from portal_events.testing import ANNA, JAN, booked, cancelled, confirmed, moved, service, signed_up, visit
from portal_eventstore.freshness import Freshness
from portal_eventstore.view import Received

from .visits import NETWORK, NOON, TOPIC, World, facility, opened_world, received

connected_test = pytest.mark.connected


@pytest.fixture
async def world(portal: Any, gateway_url: str) -> AsyncIterator[World]:
    """Anna's identity is confirmed, Jan's is not."""
    async with opened_world(portal, gateway_url) as world:
        await world.apply(confirmed(ANNA))
        yield world


@connected_test
async def test_given_a_booking_when_read_then_the_whole_item_with_names(world: World) -> None:
    event = booked(visit(NOON + timedelta(days=1), mode=Mode.TELEPHONE))
    item = received(event)
    await world.apply(*NETWORK, item)
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
                "minutes": 30,
                "title": "Stomatolog",
                "titleEn": "Dentist",
                "doctor": "Maria Kowalska",
                "facility": {
                    "name": "Zdrovia Mokotów",
                    "street": "Puławska 1",
                    "postalCode": "02-515",
                    "city": "Warszawa",
                    "phone": "+48221000000",
                },
                "source": "portal",
                "cancellable": True,
                "appointmentId": str(event.appointment_id),
            }
        ],
        "next": None,
        "locked": None,
    }


@connected_test
async def test_given_names_not_there_yet_when_read_then_the_item_all_the_same(world: World) -> None:
    await world.apply(booked(visit(NOON)))
    await world.portal.sign_in(ANNA)
    [item] = (await world.page())["items"]
    assert (item["title"], item["titleEn"], item["doctor"], item["facility"]) == (None, None, None, None)


@connected_test
async def test_given_a_renamed_facility_when_both_are_in_one_batch_then_the_last_name(world: World) -> None:
    await world.apply(*NETWORK, booked(visit(NOON)), facility(name="Zdrovia Wola"))
    await world.portal.sign_in(ANNA)
    [item] = (await world.page())["items"]
    assert item["facility"]["name"] == "Zdrovia Wola"


@connected_test
async def test_given_partitions_in_any_order_and_any_batches_then_the_same_rows(world: World) -> None:
    patients = [uuid4() for _ in range(8)]
    events = [*NETWORK, *(received(signed_up(patient_id)) for patient_id in patients)]
    for hour in range(4):
        visits = [booked(visit(NOON + timedelta(hours=hour)), patient_id) for patient_id in patients]
        moves = [moved(one, visit(one.starts_at + timedelta(days=1), mode=Mode.VIDEO)) for one in visits]
        events += map(received, [*visits, *moves, *map(cancelled, moves[::2])])
    events += map(
        received, [*map(confirmed, patients[::2]), service(name="Dentysta"), facility(city="Kraków")]
    )
    lanes: dict[tuple[str, int], list[Received]] = {}
    for one in events:
        lanes.setdefault((one.topic, one.partition), []).append(one)
    await world.apply(*events)
    expected = await world.rows()
    assert len(expected) == 1 + len(patients) * 5 + len(NETWORK)
    chance = random.Random(7)

    for _ in range(5):
        await world.pool.execute("truncate timeline, levels, directory")
        waiting = {lane: list(events) for lane, events in lanes.items()}
        while waiting:
            lane = chance.choice(sorted(waiting))
            size = chance.randint(1, 4)
            await world.apply(*waiting[lane][:size])
            waiting[lane] = waiting[lane][size:]
            if not waiting[lane]:
                del waiting[lane]
        assert await world.rows() == [row for row in expected if str(ANNA) not in row]


@connected_test
async def test_given_a_visit_booked_then_moved_then_cancelled_when_read_then_one_item_as_it_is_now(
    world: World,
) -> None:
    booking = booked(visit(NOON + timedelta(days=1)))
    first = received(booking)
    other_doctor, telephone = uuid4(), Mode.TELEPHONE
    move = moved(booking, visit(NOON + timedelta(days=2), doctor_id=other_doctor, mode=telephone, minutes=45))
    await world.apply(*NETWORK, first)
    await world.apply(move)
    await world.portal.sign_in(ANNA)

    [item] = (await world.page())["items"]
    assert (item["id"], item["startsAt"], item["minutes"]) == (
        str(first.stored.id),
        "2026-11-25T12:00:00Z",
        45,
    )
    assert (item["kind"], item["doctor"], item["cancellable"]) == ("telephone-consultation", None, True)

    await world.apply(cancelled(move))
    assert await world.ids() == []
    [item] = (await world.page("?state=cancelled"))["items"]
    assert (item["id"], item["state"], item["cancellable"]) == (str(first.stored.id), "cancelled", False)


@connected_test
async def test_given_moves_there_and_back_in_one_batch_then_as_one_after_another(world: World) -> None:
    day = timedelta(days=1)
    booking = booked(visit(NOON + day))
    there = moved(booking, visit(NOON + 2 * day))
    back = moved(there, visit(NOON + day))
    untouched = booked(visit(NOON + day))
    at_once = [received(one) for one in (booking, untouched, there, back, cancelled(back))]
    for one in at_once:
        await world.apply(one)
    expected = await world.rows()
    for sizes in ((5,), (1, 4), (2, 3), (3, 2)):
        await world.pool.execute("truncate timeline")
        rest = list(at_once)
        for size in sizes:
            await world.apply(*rest[:size])
            del rest[:size]
        assert await world.rows() == expected, sizes


@connected_test
@pytest.mark.parametrize(
    ("source", "starts_in", "expected"),
    [
        (Source.PORTAL, 1, True),
        (Source.DESK, 1, False),
        (Source.PORTAL, 0, False),
        (Source.PORTAL, -1, False),
    ],
)
async def test_given_a_visit_then_cancellable_here_until_it_starts_unless_a_desk_made_it(
    world: World, source: Source, starts_in: int, *, expected: bool
) -> None:
    await world.apply(booked(visit(NOON + timedelta(minutes=starts_in)), source=source))
    await world.portal.sign_in(ANNA)
    [item] = (await world.page())["items"]
    assert (item["source"], item["state"], item["cancellable"]) == (source.value, "planned", expected)


@connected_test
async def test_given_the_basic_level_when_read_then_what_is_planned_and_what_is_locked(world: World) -> None:
    over, coming = booked(visit(NOON - timedelta(days=1)), JAN), booked(visit(NOON + timedelta(days=1)), JAN)
    dropped = booked(visit(NOON + timedelta(days=2)), JAN)
    await world.apply(signed_up(JAN), over, coming, dropped, cancelled(dropped))
    await world.portal.sign_in(JAN)

    page = await world.page()
    assert [item["appointmentId"] for item in page["items"]] == [str(coming.appointment_id)]
    assert page["locked"] == {
        "states": ["completed"],
        "unlockWays": ["bank", "call-centre", "contact-form", "facility"],
    }
    assert await world.ids("?state=completed") == []
    assert await world.ids("?state=cancelled") == [str(dropped.appointment_id)]

    await world.apply(confirmed(JAN))
    page = await world.page()
    assert [item["appointmentId"] for item in page["items"]] == [
        str(coming.appointment_id),
        str(over.appointment_id),
    ]
    assert page["locked"] is None


@connected_test
async def test_given_nothing_yet_when_read_then_an_empty_page_that_says_what_is_locked(world: World) -> None:
    await world.portal.sign_in(JAN)
    page = await world.page()
    assert (page["items"], page["next"], page["locked"]["states"]) == ([], None, ["completed"])


@connected_test
async def test_given_the_same_event_twice_when_applied_then_one_item(world: World) -> None:
    one = received(booked(visit(NOON)))
    await world.apply(one)
    await world.apply(one, one)
    await world.portal.sign_in(ANNA)
    assert len(await world.ids()) == 1


@connected_test
async def test_given_1000_events_when_applied_then_in_one_statement(world: World) -> None:
    batch = [received(booked(visit(NOON + timedelta(minutes=n)))) for n in range(1000)]
    statements: list[str] = []

    def count(sent: Any) -> None:
        # The driver's own questions about types do not count.
        if "timeline" in sent.query:
            statements.append(sent.query)

    async with world.pool.acquire() as connection, connection.transaction():
        with connection.query_logger(count):
            await TIMELINE.apply(connection, batch)
    assert len(statements) == 1
    assert await world.pool.fetchval("select count(*) from timeline") == 1000


@connected_test
async def test_hazard_another_patient_then_none_of_their_items_whatever_is_asked(world: World) -> None:
    mine, others = booked(visit(NOON)), booked(visit(NOON), JAN)
    await world.apply(*NETWORK, mine, others, booked(visit(NOON - timedelta(days=1)), JAN))
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
    await world.apply(booked(visit(NOON)))
    response = await world.get()
    assert (response.status_code, response.json()["type"]) == (401, "/problems/not-signed-in")


@connected_test
async def test_given_staff_when_reading_then_403(world: World) -> None:
    who = {"accountId": str(uuid4()), "patientId": None, "level": "basic", "roles": ["doctor"]}
    world.portal.identity.says(who)
    body = {"email": "maria@example.com", "password": "a long password"}
    await world.portal.browser.post("/api/sessions", json=body, headers=world.portal.csrf)
    response = await world.get()
    assert (response.status_code, response.json()["type"]) == (403, "/problems/patient-only")


@connected_test
@pytest.mark.parametrize("limit", [1, 7, 20, 50, 100])
async def test_given_50_items_with_equal_times_when_paged_then_each_once_newest_first(
    world: World, limit: int
) -> None:
    times = [NOON + timedelta(hours=n % 3) for n in range(50)]
    events = [received(booked(visit(at))) for at in times]
    noise = [received(booked(visit(at), JAN)) for at in times]
    await world.apply(*NETWORK, *events, *noise)
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
    await world.apply(*(booked(visit(NOON + timedelta(hours=n))) for n in range(21)))
    await world.portal.sign_in(ANNA)
    page = (await world.get()).json()
    assert len(page["items"]) == 20
    assert page["next"] is not None


@connected_test
async def test_given_a_new_item_between_two_pages_then_no_item_is_shown_twice(world: World) -> None:
    await world.apply(*(booked(visit(NOON + timedelta(hours=n))) for n in range(4)))
    await world.portal.sign_in(ANNA)
    first = (await world.get("?limit=2")).json()
    await world.apply(booked(visit(NOON + timedelta(days=3))))
    second = (await world.get(f"?limit=2&cursor={first['next']}")).json()
    ids = [item["id"] for item in first["items"] + second["items"]]
    assert len(set(ids)) == 4
    assert second["next"] is None


@connected_test
async def test_given_items_around_now_when_read_then_planned_until_they_end(world: World) -> None:
    now: datetime = world.portal.clock.now
    over = booked(visit(now - timedelta(minutes=30)))
    running = booked(visit(now - timedelta(minutes=29)))
    coming = booked(visit(now + timedelta(days=1)))
    await world.apply(*(over, running, coming))
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
    before = booked(visit(datetime(2026, 10, 24, 21, 59, tzinfo=UTC)))
    first = booked(visit(datetime(2026, 10, 24, 22, 0, tzinfo=UTC)))
    last = booked(visit(datetime(2026, 10, 25, 22, 59, tzinfo=UTC)))
    after = booked(visit(datetime(2026, 10, 25, 23, 0, tzinfo=UTC)))
    await world.apply(*(before, first, last, after))
    await world.portal.sign_in(ANNA)
    of_the_day = [str(last.appointment_id), str(first.appointment_id)]

    assert await world.ids("?from=2026-10-25&to=2026-10-25") == of_the_day
    assert await world.ids("?from=2026-10-24T22:00:00Z&to=2026-10-25T23:00:00Z") == of_the_day
    assert await world.ids("?from=2026-10-25T00:00:00%2B02:00&to=2026-10-26T00:00:00%2B01:00") == of_the_day
    assert await world.ids("?to=2026-10-24") == [str(before.appointment_id)]
    assert await world.ids("?from=2026-10-26") == [str(after.appointment_id)]


@connected_test
async def test_given_kinds_when_filtered_then_those(world: World) -> None:
    in_person, call, video = (
        booked(visit(NOON, mode=mode)) for mode in (Mode.IN_PERSON, Mode.TELEPHONE, Mode.VIDEO)
    )
    await world.apply(*(in_person, call, video))
    await world.portal.sign_in(ANNA)
    assert await world.ids("?kind=appointment") == [str(in_person.appointment_id)]
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
        ("state=moved", "state"),
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
async def test_given_a_view_that_does_not_keep_up_when_asked_then_told_up_to_when_it_is_complete(
    world: World,
) -> None:
    freshness = Freshness(world.pool, {"timeline": (TOPIC,)})
    world.portal.app.state.freshness = freshness
    insert = (
        "insert into projection_position (view, topic, partition, fresh_at) values ('timeline', $1, $2, $3)"
    )
    now = datetime.now(UTC)
    long_ago = datetime(2026, 11, 1, 12, 30, 5, 900_000, tzinfo=UTC)
    await world.pool.executemany(insert, [(TOPIC, 1, now), (TOPIC, 2, long_ago)])
    await world.portal.sign_in(ANNA)
    assert "portal-fresh-at" not in (await world.get("")).headers
    await freshness.look()
    for _ in range(2):
        behind = await world.get("")
        assert behind.headers["portal-stale"] == "true"
        assert behind.headers["portal-fresh-at"] == "2026-11-01T12:30:05Z"

    await world.pool.execute("update projection_position set fresh_at = $1", datetime.now(UTC))
    await freshness.look()
    again = await world.get("")
    assert {"portal-stale", "portal-fresh-at"}.isdisjoint(again.headers)


@connected_test
async def test_given_a_position_when_the_view_is_there_then_fresh_else_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.timeline.endpoint._WAIT_SECONDS", 0.1)
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
