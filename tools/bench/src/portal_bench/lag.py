"""How soon after the 201 does a booking appear on the patient's open timeline?

Patients book at a fixed rate while each of them has a stream open. Both ends are timed in this one process.
"""

import asyncio
import re
import time
from typing import Final

import aiohttp
import orjson
import uvloop

from portal_bench.booking import Wish, make_wishes
from portal_bench.people import Person
from portal_bench.portal import Portal
from portal_bench.report import Result
from portal_bench.rounds import Sizes

PATIENTS: Final = 264
_RATE: Final = 50
_P50_MS: Final = 30.0
_P99_MS: Final = 150.0
_GRACE_SECONDS: Final = 10.0
_BEGUN: Final = b"event: ready"
_APPOINTMENT: Final = re.compile(rb'"appointmentId":"([0-9a-f-]{36})"')
_LONGEST_EVENT: Final = 8_192
_CREATED: Final = 201


def measure(portal: Portal, sizes: Sizes) -> Result:
    """Measure from the 201 to the item on the stream."""
    wishes = asyncio.run(make_wishes(portal, sizes.size or PATIENTS))
    portal.settle()
    lags = sorted(uvloop.run(_Followers(portal.port).run(wishes[: int(_RATE * sizes.steady_seconds)])))
    p50, p99 = lags[len(lags) // 2], lags[int(len(lags) * 0.99)]
    return Result(
        name="lag",
        figure=round(p99, 1),
        unit=f"ms from 201 to the stream, 99th percentile, {_RATE} bookings/s",
        floor=None,
        goal=f"p50 at most {_P50_MS:.0f} ms, p99 at most {_P99_MS:.0f} ms",
        met=p50 <= _P50_MS and p99 <= _P99_MS,
        peers={"p50 ms": round(p50, 1), "longest ms": round(lags[-1], 1), "bookings": float(len(lags))},
    )


class _Followers:
    """Patients who book and watch."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._answered: dict[str, float] = {}
        self._shown: dict[str, float] = {}

    async def run(self, wishes: list[Wish]) -> list[float]:
        """Book all of them at the rate; return the milliseconds of each."""
        people = {wish.person.cookie: wish.person for wish in wishes}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout
        ) as http:
            begun = [asyncio.Event() for _ in people]
            streams = [
                asyncio.create_task(self._watch(http, person, event))
                for person, event in zip(people.values(), begun, strict=True)
            ]
            await asyncio.wait_for(asyncio.gather(*(event.wait() for event in begun)), 60)
            started = time.perf_counter()
            bookings = []
            for number, wish in enumerate(wishes):
                await asyncio.sleep(started + number / _RATE - time.perf_counter())
                bookings.append(asyncio.create_task(self._book(http, wish)))
            await asyncio.gather(*bookings)
            deadline = time.perf_counter() + _GRACE_SECONDS
            while self._answered.keys() - self._shown.keys() and time.perf_counter() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)
        missing = self._answered.keys() - self._shown.keys()
        if missing:
            raise ValueError(f"{len(missing)} bookings never appeared on their streams")
        # An item may come before the answer to the booking itself: that is no lag.
        return [max(0.0, self._shown[made] - at) * 1e3 for made, at in self._answered.items()]

    async def _book(self, http: aiohttp.ClientSession, wish: Wish) -> None:
        ask = wish.ask()
        headers = {**ask.headers, "Content-Type": "application/json"}
        async with http.post(self._url + ask.target, data=ask.body, headers=headers) as answer:
            body = await answer.read()
            at = time.perf_counter()
        if answer.status != _CREATED:
            raise ValueError(f"a booking was answered {answer.status}")
        self._answered[orjson.loads(body)["appointmentId"]] = at

    async def _watch(self, http: aiohttp.ClientSession, person: Person, begun: asyncio.Event) -> None:
        seen = b""
        async with http.get(f"{self._url}/api/timeline/stream", headers={"Cookie": person.cookie}) as stream:
            async for piece in stream.content.iter_any():
                now = time.perf_counter()
                seen = (seen + piece)[-_LONGEST_EVENT:]
                if _BEGUN in seen:
                    begun.set()
                for made in _APPOINTMENT.findall(seen):
                    self._shown.setdefault(made.decode(), now)
