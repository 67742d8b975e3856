"""How does a page that is open learn of changes? Server-sent events (WHATWG HTML, 9.2).

`ready` says where the stream begins, `item` tells an item as the page does, `reset` asks for the page to be
read again, `stale` and `fresh` say whether the view keeps up. An event's id is a vector of positions, the
text of `Portal-Position`; a client that comes back with the last one gets first what it has missed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.edge.open_sessions import OpenSessions
from gateway.edge.session import Session
from gateway.edge.signed_in import CurrentSession
from gateway.timeline.changes import Changes, Look, Place
from gateway.timeline.filters import State
from gateway.timeline.item import FORMAT, item_of
from gateway.timeline.page import locked
from gateway.timeline.project import TIMELINE
from gateway.timeline.streams import Streams, TooManyStreams
from gateway.unavailable import ServiceUnavailable
from portal_chassis.access import NotSignedIn, PatientOnly
from portal_chassis.clock import Clock
from portal_chassis.freshness import written
from portal_chassis.positions import decode, encode
from portal_chassis.problems import problems
from portal_eventstore.freshness import Freshness

router = APIRouter()

_RETRY: Final = b"retry: 1000\n\n"
_BEAT: Final = b":\n\n"
_BEAT_SECONDS: Final = 15.0
# A session that was ended elsewhere is noticed within five seconds, the look itself included.
_CHECK_SECONDS: Final = 3.0
# Who takes nothing for so long is let go, and comes back with the last id.
_STALLED_SECONDS: Final = 4.0


class EventStream(Response):
    """An answer that goes on until the client, the session or the process ends."""

    media_type = "text/event-stream"

    def __init__(self, state: Any, session: Session, patient_id: UUID, last_event_id: str | None) -> None:
        """Take the app's state, whose timeline it is, and what the client says that it knows."""
        # Proxies that buffer answers would hold the events back.
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._streams: Streams = state.streams
        self._sessions: OpenSessions = state.sessions
        self._freshness: Freshness = state.freshness
        self._stale = False
        self._clock: Clock = state.clock
        self._session = session
        self._patient_id = patient_id
        self._changes = Changes(state.pool, patient_id)
        self._last_event_id = last_event_id
        self._gone = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events; refusals are raised before the answer has begun."""
        del scope
        with self._streams.opened(self._session.account_id, self._patient_id) as woken:
            # From here on the stream is woken: what this look is too early for, the next one sees.
            begun, place = await self._begin()
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            watching = asyncio.create_task(self._watch(receive, woken))
            try:
                async for events in self._events(begun, place, woken):
                    async with asyncio.timeout(_STALLED_SECONDS):
                        await send({"type": "http.response.body", "body": events, "more_body": True})
            except ServiceUnavailable:
                # Nobody knows what is missed now, or whether the session lives: the client comes again.
                pass
            except TimeoutError:
                return
            finally:
                watching.cancel()
            await send({"type": "http.response.body", "body": b""})

    async def _begin(self) -> tuple[bytes, Place]:
        """Return what the stream begins with, and the place that it tells."""
        known = self._changes.place(decode(self._last_event_id))
        look = await self._changes.since(known)
        if self._last_event_id is None:
            return self._event("ready", look.place), look.place
        if known is None or known.booking > look.place.booking or known.identity > look.place.identity:
            return self._event("reset", look.place), look.place
        return self._news(look, known), look.place

    async def _events(self, begun: bytes, place: Place, woken: asyncio.Event) -> AsyncIterator[bytes]:
        yield _RETRY + begun + self._turned()
        time = asyncio.get_running_loop().time
        check, beat = time() + _CHECK_SECONDS, time() + _BEAT_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(check, beat)):
                    await woken.wait()
            if self._gone or self._streams.stopping.is_set():
                return
            if time() >= check:
                if not await self._sessions.lives(self._session):
                    return
                check = time() + _CHECK_SECONDS
            news = self._turned()
            if woken.is_set():
                woken.clear()
                look = await self._changes.since(place)
                news, place = news + self._news(look, place), look.place
            if news or time() >= beat:
                yield news or _BEAT
                beat = time() + _BEAT_SECONDS

    def _news(self, look: Look, known: Place) -> bytes:
        """Return the events for what changed after `known`; another level changes the whole page."""
        if look.raised > known.identity:
            return self._event("reset", look.place)
        now = self._clock()
        hidden = () if locked(look.level) is None else (State.COMPLETED,)
        return b"".join(
            self._event("item", Place(row["position"], look.place.identity), item)
            for row in look.rows
            if (item := item_of(row, now))["state"] not in hidden
        )

    def _turned(self) -> bytes:
        """Say once that the view has stopped to keep up, or does again; it is no place to come back to."""
        stale = self._freshness.stale(TIMELINE.view)
        if stale is self._stale:
            return b""
        self._stale = stale
        at = self._freshness.complete_until(TIMELINE.view) if stale else None
        data = orjson.dumps({} if at is None else {"freshAt": written(at)})
        return (b"event: stale\ndata: " if stale else b"event: fresh\ndata: ") + data + b"\n\n"

    def _event(self, name: str, place: Place, data: object = None) -> bytes:
        position = encode(self._changes.positions(place))
        head = f"event: {name}\nid: {position}\ndata: ".encode()
        return head + orjson.dumps({} if data is None else data, option=FORMAT) + b"\n\n"

    async def _watch(self, receive: Receive, woken: asyncio.Event) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        woken.set()


@router.get(
    "/api/timeline/stream",
    status_code=200,  # FastAPI's description cannot read it off this class
    response_class=EventStream,
    responses=problems(NotSignedIn, PatientOnly, TooManyStreams, ServiceUnavailable),
)
async def stream(
    request: Request,
    session: CurrentSession,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Response:
    """Follow the signed-in patient's timeline as server-sent events.

    `ready` comes first and says where the stream begins. `item` has one changed item as data, in the shape
    that the timeline's pages have; one that was cancelled comes with the state `cancelled`. `reset` asks for
    the page to be read again. `stale` says that the timeline does not keep up at the moment, and in `freshAt`
    up to when it is complete, where that is known; `fresh` says that it does again. Every other event's id is
    a `Portal-Position`: sent back as `Last-Event-ID`, what was missed since comes first.
    """
    if session.patient_id is None:
        raise PatientOnly
    return EventStream(request.app.state, session, session.patient_id, last_event_id)
