"""Does an open page learn of every change, once, in order, and only while its session lives?"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
import uvicorn

from gateway.edge.session import digest
from gateway.timeline import changes
from gateway.timeline import stream as timeline_stream
from gateway.timeline.project import payloads
from gateway.timeline.streams import STREAMS_OF_AN_ACCOUNT, Streams
from portal_chassis.positions import Positions, decode, encode
from portal_events.testing import ANNA, JAN, booked, cancelled, confirmed, moved, signed_up, visit
from portal_events.topics import PARTITIONS, partition_for
from portal_eventstore.freshness import Freshness

from .visits import IDENTITY, NETWORK, NOON, TOPIC, World, opened_world, received

pytestmark = pytest.mark.connected


async def until(condition: Callable[[], Awaitable[Any]], within: float = 10.0) -> Any:
    """Return what the condition gives once that is true."""
    async with asyncio.timeout(within):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Told:
    """One event of a stream."""

    event: str
    id: str
    data: Any


class Stream:
    """An open stream, as a browser's EventSource reads it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.lines: list[str] = []

    async def next(self, within: float = 10.0) -> Told | None:
        """Return the next event; None when the stream has ended."""
        async with asyncio.timeout(within):
            fields: dict[str, str] = {}
            while line := (await self.response.content.readline()).decode():
                self.lines.append(line)
                name, _, value = line.rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    return Told(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
                else:
                    fields = {}
        return None

    async def items(self, count: int) -> list[Any]:
        """Return the next `count` items."""
        told = [await self.next() for _ in range(count)]
        assert all(one is not None and one.event == "item" for one in told), told
        return [one.data for one in told if one is not None]

    async def until_closed(self) -> list[Told]:
        """Return what still comes until the stream ends."""
        rest: list[Told] = []
        while (told := await self.next()) is not None:
            rest.append(told)
        return rest


@dataclass(frozen=True)
class Gateway:
    """A gateway that a real server runs, and a signed-in browser."""

    world: World
    http: aiohttp.ClientSession
    answers: list[aiohttp.ClientResponse] = field(default_factory=list)

    @property
    def streams(self) -> Streams:
        found: Streams = self.world.portal.app.state.streams
        return found

    async def sign_in(self, patient_id: UUID | None = ANNA, account_id: UUID | None = None) -> dict[str, str]:
        """Sign a browser in and return its cookie."""
        who = {"accountId": str(account_id or uuid4()), "level": "basic", "roles": ["patient"]}
        who["patientId"] = str(patient_id) if patient_id else ""
        self.world.portal.identity.says(who | ({} if patient_id else {"patientId": None}))
        body = {"email": "anna@example.com", "password": "a long password"}
        async with self.http.post("/api/sessions", json=body, headers=self.world.portal.csrf) as response:
            assert response.status == 201
            return {"portal": response.cookies["portal"].value}

    async def get(self, cookie: dict[str, str], **headers: str) -> aiohttp.ClientResponse:
        answer = await self.http.get("/api/timeline/stream", headers={**_head(cookie), **headers})
        self.answers.append(answer)
        return answer

    async def refused(self, cookie: dict[str, str]) -> Any:
        """Ask for a stream that is refused."""
        return await self.world.portal.browser.get("/api/timeline/stream", headers=_head(cookie))

    async def open(self, cookie: dict[str, str], last: str | None = None) -> Stream:
        """Open a stream that answers 200."""
        response = await self.get(cookie, **({} if last is None else {"Last-Event-ID": last}))
        assert response.status == 200, await response.text()
        return Stream(response)

    async def begin(self, cookie: dict[str, str]) -> tuple[Stream, str]:
        """Open a stream from now on, and return it with the id that it begins at."""
        stream = await self.open(cookie)
        ready = await stream.next()
        assert ready is not None
        assert (ready.event, ready.data) == ("ready", {})
        return stream, ready.id


def _head(cookie: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookie.items())}


@pytest.fixture
async def gateway(portal: Any, gateway_url: str) -> AsyncIterator[Gateway]:
    """Anna's identity is confirmed, Jan's is not."""
    async with opened_world(portal, gateway_url) as world:
        await world.apply(*NETWORK, signed_up(ANNA), confirmed(ANNA), signed_up(JAN))
        async with running(world, gateway_url) as gateway:
            yield gateway


@asynccontextmanager
async def running(world: World, database_url: str) -> AsyncIterator[Gateway]:
    """Serve the portal's app as a process does."""
    app = world.portal.app
    app.state.stopping = asyncio.Event()
    app.state.streams = Streams(database_url, app.state.stopping)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    server.capture_signals = suppress  # type: ignore[method-assign, assignment]
    async with app.state.streams.kept():
        serving = asyncio.create_task(server.serve())

        async def started() -> bool:
            return server.started

        await until(started)
        port = server.servers[0].sockets[0].getsockname()[1]
        jar = aiohttp.DummyCookieJar()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", cookie_jar=jar) as http:
                gateway = Gateway(world, http)
                yield gateway
                for answer in gateway.answers:
                    answer.close()
        finally:
            app.state.stopping.set()
            server.should_exit = True
            await serving


async def listening(gateway: Gateway, *, other_than: int | None = None) -> int:
    """Return the process id of the connection that listens for notifications, once there is one."""

    async def found() -> Any:
        return await gateway.world.pool.fetchval(
            "select pid from pg_stat_activity where application_name = 'gateway streams' and "
            "datname = current_database() and query ilike '%listen%' and pid is distinct from $1",
            other_than,
        )

    return int(await until(found))


async def test_given_an_open_stream_when_a_visit_is_booked_moved_and_cancelled_then_each_is_told_at_once(
    gateway: Gateway,
) -> None:
    await listening(gateway)
    cookie = await gateway.sign_in()
    stream, _ = await gateway.begin(cookie)
    assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.response.headers["cache-control"] == "no-store"
    assert "retry: 1000\n" in stream.lines
    booking = booked(visit(NOON + timedelta(days=1)))
    move = moved(booking, visit(NOON + timedelta(days=2)))

    first = received(booking)
    await gateway.world.apply(first)
    told = await stream.next()
    page = await gateway.http.get("/api/timeline", headers={"Cookie": f"portal={cookie['portal']}"})
    await gateway.world.apply(move)
    [after] = await stream.items(1)
    await gateway.world.apply(cancelled(move))
    [last] = await stream.items(1)

    assert told is not None
    assert [told.data] == (await page.json())["items"]
    partition = partition_for(str(ANNA).encode(), PARTITIONS)
    assert decode(told.id)[TOPIC, partition] == first.stored.position
    assert {one["id"] for one in (told.data, after, last)} == {str(first.stored.id)}
    assert [one["startsAt"][:10] for one in (told.data, after, last)] == ["2026-11-24", *["2026-11-25"] * 2]
    assert [one["state"] for one in (told.data, after, last)] == ["planned", "planned", "cancelled"]


async def test_given_a_view_that_does_not_keep_up_then_open_streams_hear_of_it_and_of_its_end(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline_stream, "_CHECK_SECONDS", 0.1)
    freshness = Freshness(gateway.world.pool, {"timeline": (TOPIC,)})
    gateway.world.portal.app.state.freshness = freshness
    stream, _ = await gateway.begin(await gateway.sign_in())
    await gateway.world.pool.execute(
        "insert into projection_position (view, topic, partition, fresh_at) values ('timeline', $1, 11, $2)",
        TOPIC,
        datetime(2026, 11, 1, 12, 30, 5, tzinfo=UTC),
    )
    await freshness.look()
    stale = await stream.next()
    await gateway.world.pool.execute("update projection_position set fresh_at = $1", datetime.now(UTC))
    await freshness.look()
    fresh = await stream.next()
    assert stale == Told("stale", "", {"freshAt": "2026-11-01T12:30:05Z"})
    assert fresh == Told("fresh", "", {})


async def test_given_what_was_missed_when_resumed_then_it_comes_first_in_order_and_once(
    gateway: Gateway,
) -> None:
    await listening(gateway)
    cookie = await gateway.sign_in()
    old = booked(visit(NOON))
    await gateway.world.apply(old, booked(visit(NOON + timedelta(hours=1))))
    stream, ready = await gateway.begin(cookie)
    stream.response.close()

    changed = moved(old, visit(NOON + timedelta(days=3)))
    new = [booked(visit(NOON + timedelta(days=n))) for n in (2, 1)]
    await gateway.world.apply(new[0], changed, new[1], booked(visit(NOON), JAN))
    resumed = await gateway.open(cookie, ready)
    missed = [await resumed.next() for _ in range(3)]
    ids = [one.data["appointmentId"] for one in missed if one]
    assert ids == [str(one.appointment_id) for one in (new[0], changed, new[1])]

    # Each id is a place of its own: whoever got the first two, misses the third only.
    assert missed[1] is not None
    again = await gateway.open(cookie, missed[1].id)
    [third] = await again.items(1)
    assert third["appointmentId"] == str(new[1].appointment_id)

    # And then both go on.
    later = booked(visit(NOON + timedelta(days=9)))
    await gateway.world.apply(later)
    for one in (resumed, again):
        [item] = await one.items(1)
        assert item["appointmentId"] == str(later.appointment_id)


@pytest.mark.parametrize(
    "made",
    [
        lambda _: "nobody's",
        lambda _: "",
        lambda _: "{}",
        lambda known: encode({place: at for place, at in known.items() if place[0] == TOPIC}),
        lambda known: encode({place: at for place, at in known.items() if place[0] == IDENTITY}),
        lambda known: encode({place: at + (place[0] == TOPIC) for place, at in known.items()}),
        lambda known: encode({place: at + (place[0] == IDENTITY) for place, at in known.items()}),
        lambda known: encode({(t, (n + 1) % PARTITIONS): at for (t, n), at in known.items()}),
    ],
    ids=["unreadable", "empty", "json", "no level", "no booking", "future", "future level", "another's"],
)
async def test_given_an_id_that_tells_no_place_when_resumed_then_reset_and_on_from_there(
    gateway: Gateway, made: Callable[[Positions], str]
) -> None:
    await listening(gateway)
    cookie = await gateway.sign_in()
    await gateway.world.apply(booked(visit(NOON)))
    _, ready = await gateway.begin(cookie)
    last = made(decode(ready))
    stream = await gateway.open(cookie, last)
    told = await stream.next()
    assert told is not None
    assert (told.event, told.data) == ("reset", {})
    new = booked(visit(NOON))
    await gateway.world.apply(new)
    [item] = await stream.items(1)
    assert item["appointmentId"] == str(new.appointment_id)


async def test_given_the_level_rises_when_open_or_away_then_reset(gateway: Gateway) -> None:
    await listening(gateway)
    cookie = await gateway.sign_in(JAN)
    stream, ready = await gateway.begin(cookie)
    new = booked(visit(NOON + timedelta(days=1)), JAN)
    await gateway.world.apply(new)
    await stream.items(1)
    await gateway.world.apply(confirmed(JAN))
    told = await stream.next()
    assert told is not None
    assert told.event == "reset"

    away = await gateway.open(cookie, ready)
    missed = await away.next()
    assert missed is not None
    assert missed.event == "reset"
    # Both know of the level now: what comes next is an item.
    await gateway.world.apply(cancelled(new))
    for one in (stream, away):
        [item] = await one.items(1)
        assert item["state"] == "cancelled"


async def test_given_the_account_becomes_known_after_the_stream_was_opened_then_no_reset(
    gateway: Gateway,
) -> None:
    await listening(gateway)
    new = uuid4()
    cookie = await gateway.sign_in(new)
    stream, ready = await gateway.begin(cookie)
    await gateway.world.apply(signed_up(new), booked(visit(NOON + timedelta(days=1)), new))
    await stream.items(1)
    resumed = await gateway.open(cookie, ready)
    await resumed.items(1)


async def test_given_the_basic_level_then_what_is_over_is_not_told(gateway: Gateway) -> None:
    await listening(gateway)
    cookie = await gateway.sign_in(JAN)
    stream, _ = await gateway.begin(cookie)
    coming = booked(visit(NOON + timedelta(days=1)), JAN)
    await gateway.world.apply(booked(visit(NOON - timedelta(days=1)), JAN))
    await gateway.world.apply(coming)
    [item] = await stream.items(1)
    assert item["appointmentId"] == str(coming.appointment_id)


async def test_given_two_streams_and_another_patients_then_each_hears_its_own(gateway: Gateway) -> None:
    await listening(gateway)
    cookie = await gateway.sign_in()
    mine = [(await gateway.begin(cookie))[0] for _ in range(2)]
    others, _ = await gateway.begin(await gateway.sign_in(JAN))
    anna, jan = booked(visit(NOON + timedelta(days=1))), booked(visit(NOON + timedelta(days=1)), JAN)
    await gateway.world.apply(anna, jan)
    for stream, event in ((mine[0], anna), (mine[1], anna), (others, jan)):
        [item] = await stream.items(1)
        assert item["appointmentId"] == str(event.appointment_id)


async def test_hazard_a_change_between_the_look_and_the_wait_then_it_is_told(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await listening(gateway)
    cookie = await gateway.sign_in()
    event = booked(visit(NOON + timedelta(days=1)))
    since = changes.Changes.since
    looked = 0

    async def woken() -> bool:
        return all(one.is_set() for one in gateway.streams._woken[str(ANNA)])

    async def overtaken(self: changes.Changes, known: Any) -> changes.Look:
        nonlocal looked
        looked += 1
        look = await since(self, known)
        if looked == 1:
            # Committed, and notified, after the look and before the stream waits.
            await gateway.world.apply(event)
            await until(woken)
        return look

    monkeypatch.setattr(changes.Changes, "since", overtaken)
    stream, _ = await gateway.begin(cookie)
    [item] = await stream.items(1)
    assert item["appointmentId"] == str(event.appointment_id)


async def test_hazard_the_listening_connection_breaks_then_what_was_missed_is_told(gateway: Gateway) -> None:
    pid = await listening(gateway)
    cookie = await gateway.sign_in()
    stream, _ = await gateway.begin(cookie)
    lost = booked(visit(NOON + timedelta(days=1)))
    # Nobody listens when this is notified.
    await gateway.world.pool.execute("select pg_terminate_backend($1, 5000)", pid)
    await gateway.world.apply(lost)
    [item] = await stream.items(1)
    assert item["appointmentId"] == str(lost.appointment_id)

    await listening(gateway, other_than=pid)
    after = booked(visit(NOON + timedelta(days=2)))
    await gateway.world.apply(after)
    [item] = await stream.items(1)
    assert item["appointmentId"] == str(after.appointment_id)


async def test_hazard_the_gateway_restarts_then_a_client_goes_on_where_it_was(
    portal: Any, gateway_url: str
) -> None:
    async with opened_world(portal, gateway_url) as world:
        await world.apply(*NETWORK, confirmed(ANNA))
        async with running(world, gateway_url) as gateway:
            cookie = await gateway.sign_in()
            stream, ready = await gateway.begin(cookie)
            portal.app.state.stopping.set()
            assert await stream.until_closed() == []
        missed = booked(visit(NOON + timedelta(days=1)))
        await world.apply(missed)
        async with running(world, gateway_url) as gateway:
            resumed = await gateway.open(cookie, ready)
            [item] = await resumed.items(1)
            assert item["appointmentId"] == str(missed.appointment_id)


async def test_given_a_revoked_session_then_its_stream_ends_and_nothing_more_is_told(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.timeline.stream._CHECK_SECONDS", 0.05)
    await listening(gateway)
    cookie, others = await gateway.sign_in(), await gateway.sign_in()
    stream, _ = await gateway.begin(cookie)
    staying, _ = await gateway.begin(others)
    # Ended by another process: this one still remembers the row.
    rows = gateway.world.portal.rows
    [revoked] = [one for one in rows.rows if one != digest(others["portal"])]
    await rows.remove(revoked)
    assert await stream.until_closed() == []
    event = booked(visit(NOON + timedelta(days=1)))
    await gateway.world.apply(event)
    [item] = await staying.items(1)
    assert item["appointmentId"] == str(event.appointment_id)


async def test_given_an_open_stream_when_nothing_else_is_asked_then_the_session_still_ends_by_idleness(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.timeline.stream._CHECK_SECONDS", 0.05)
    cookie = await gateway.sign_in()
    stream, _ = await gateway.begin(cookie)
    gateway.world.portal.clock.forward(minutes=31)
    assert await stream.until_closed() == []


async def test_given_sessions_cannot_be_read_then_the_stream_ends(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.timeline.stream._CHECK_SECONDS", 0.05)
    stream, _ = await gateway.begin(await gateway.sign_in())
    gateway.world.portal.rows.away = True
    assert await stream.until_closed() == []


async def test_given_nothing_happens_then_a_comment_keeps_the_line_alive(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.timeline.stream._BEAT_SECONDS", 0.05)
    stream, _ = await gateway.begin(await gateway.sign_in())
    async with asyncio.timeout(10):
        assert await stream.response.content.readline() == b":\n"


async def test_given_as_many_streams_as_an_account_may_have_then_429_until_one_is_closed(
    gateway: Gateway,
) -> None:
    cookie = await gateway.sign_in()
    streams = [(await gateway.begin(cookie))[0] for _ in range(STREAMS_OF_AN_ACCOUNT)]
    refused = await gateway.refused(cookie)
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-streams")
    assert int(refused.headers["retry-after"]) > 0
    assert (await gateway.get(await gateway.sign_in(JAN))).status == 200

    streams[0].response.close()

    async def free() -> bool:
        return (await gateway.get(cookie)).status == 200

    await until(free)


async def test_given_a_closed_stream_then_nothing_of_it_remains(gateway: Gateway) -> None:
    stream, _ = await gateway.begin(await gateway.sign_in())
    assert list(gateway.streams._woken) == [str(ANNA)]
    stream.response.close()

    async def forgotten() -> bool:
        return not gateway.streams._woken and not gateway.streams._open

    await until(forgotten)


async def test_given_no_session_or_no_patient_or_no_view_when_opened_then_a_problem(gateway: Gateway) -> None:
    visitor = await gateway.refused({})
    staff = await gateway.refused(await gateway.sign_in(None))
    await gateway.world.pool.execute("drop table timeline")
    unbuilt = await gateway.refused(await gateway.sign_in())
    found = [(one.status_code, one.json()["type"]) for one in (visitor, staff, unbuilt)]
    assert found == [
        (401, "/problems/not-signed-in"),
        (403, "/problems/patient-only"),
        (503, "/problems/service-unavailable"),
    ]
    assert not gateway.streams._woken


async def test_given_a_client_that_does_not_read_then_it_is_told_how_things_are_in_the_end(
    gateway: Gateway,
) -> None:
    """The server's side alone: how much a socket takes before it blocks is the system's choice."""
    await listening(gateway)
    cookie = await gateway.sign_in()
    brisk, _ = await gateway.begin(cookie)
    sent: list[bytes] = []
    free, closed = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        await closed.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if b"event: item" in sent[-1]:
            await free.wait()

    async def begun() -> bool:
        return any(b"event: ready" in one for one in sent)

    async def taken() -> int:
        return sum(b"event: item" in one for one in sent)

    async def taken_after() -> bool:
        return await taken() > 1

    slow = asyncio.create_task(_asked(gateway, cookie, receive, send))
    await until(begun)
    booking = booked(visit(NOON + timedelta(days=1)))
    await gateway.world.apply(booking)
    await brisk.items(1)
    await until(taken)
    last: Any = booking
    for day in range(2, 30):
        last = moved(last, visit(NOON + timedelta(days=day)))
        await gateway.world.apply(last)
        [item] = await brisk.items(1)
    free.set()
    await until(taken_after)
    closed.set()
    await slow
    assert await taken() == 2
    assert item["startsAt"].encode() in sent[-2]


async def test_given_a_client_that_takes_nothing_for_too_long_then_it_is_let_go(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.timeline.stream._STALLED_SECONDS", 0.05)
    cookie = await gateway.sign_in()
    never = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await never.wait()
        return {}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await never.wait()

    async with asyncio.timeout(10):
        await _asked(gateway, cookie, receive, send)
    assert not gateway.streams._woken


async def _asked(gateway: Gateway, cookie: dict[str, str], receive: Any, send: Any) -> None:
    """Ask for a stream without a server in between."""
    read = False

    async def body_first() -> Any:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/timeline/stream",
        "raw_path": b"/api/timeline/stream",
        "query_string": b"",
        "headers": [(b"cookie", f"portal={cookie['portal']}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await gateway.world.portal.app(scope, body_first, send)


def test_given_many_patients_when_told_then_each_once_and_no_payload_too_long() -> None:
    patients = [uuid4() for _ in range(1000)]
    told = payloads([*patients, *patients])
    assert all(len(one.encode()) < 8000 for one in told)
    assert [UUID(one) for payload in told for one in payload.split()] == patients
