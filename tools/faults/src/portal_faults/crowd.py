"""Who uses a portal while it is hurt, and what did they see?

Twenty clients who book, hold, move and cancel on a few doctors' days, and people who open accounts meanwhile.
Every request is recorded; what is not known to have happened is sent again with its key until it is.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from aiohttp import hdrs

from portal_faults.history.check import check
from portal_faults.history.client import PATIENCE_SECONDS, READ, Client, Patient
from portal_faults.history.fact import read_facts
from portal_faults.history.history import Recorder, read_history
from portal_faults.history.timeline import Timeline
from portal_faults.history.views import check_views
from portal_faults.history.world import World, make_world
from portal_faults.running import RunningPortal, eventually, require

CLIENTS: Final = 20
_DOCTORS, _DAYS = 3, 2
_THINKING_SECONDS: Final = 0.3
"""The longest that somebody thinks before a request: without it, they take all of a small machine."""

_GIVE_UP_SECONDS: Final = 300.0
_PAUSE_SECONDS: Final = 0.5
_PASSWORD: Final = "a password that nobody guesses"  # noqa: S105 - of people who are made up


@dataclass
class Crowd:
    """The clients, and how their requests were answered: `statuses` by method and status."""

    portal: RunningPortal
    world: World
    file: Path
    recorder: Recorder
    clients: list[Client] = field(default_factory=list)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    unanswered: int = 0
    improper: list[str] = field(default_factory=list)
    """Answers of 5xx that do not say when to come again."""
    accounts: dict[str, str] = field(default_factory=dict)
    """Keys of accounts that were acknowledged, by e-mail."""

    async def acted(self, times: int, within: float = 120.0) -> None:
        """Wait until so many more requests were answered well."""
        wanted = self._done() + times

        async def enough() -> bool:
            return self._done() >= wanted

        await eventually(enough, f"{times} more requests are answered", within)

    async def failed(self, times: int, within: float = 120.0) -> None:
        """Wait until so many more requests were answered by 5xx, or not at all."""
        wanted = self._undone() + times

        async def enough() -> bool:
            return self._undone() >= wanted

        await eventually(enough, f"{times} more requests fail", within)

    async def read(self) -> int:
        """Ask once for the appointments of somebody, and return the status."""
        person = random.choice(self.world.people)
        async with self._http() as http, http.get(READ, headers={hdrs.COOKIE: person.cookie}) as answer:
            return answer.status

    def faults(self) -> Counter[int]:
        """Count the answers of 5xx by status."""
        counted: Counter[int] = Counter()
        for (_, status), count in self.statuses.items():
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                counted[status] += count
        return counted

    async def verdict(self) -> dict[str, Any]:
        """Check everything that was acknowledged against the store and the views; raise on what is broken."""
        history = read_history(self.file)
        patients = {str(person.patient_id) for person in self.world.people}
        facts = [
            fact
            for fact in await read_facts(self.portal.database_urls["booking"])
            if fact.patient in patients
        ]
        checked = check(history, facts)
        require(not checked.findings, f"the history is broken: {checked.findings[:5]}")
        await self._shown(checked.timeline)
        await self._accounts_stand()
        return {
            "operations": checked.operations,
            "facts": checked.facts,
            "unknown": checked.unknown,
            "unknown_that_happened": checked.happened,
            "accounts": len(self.accounts),
            "5xx": {str(status): count for status, count in self.faults().items()},
        }

    async def _shown(self, timeline: Timeline) -> None:
        urls = self.portal.database_urls
        last: list[Any] = []

        async def right() -> bool:
            last[:] = await check_views(urls["booking"], urls["gateway"], timeline)
            return not last

        with contextlib.suppress(AssertionError):
            await eventually(right, "the views follow", 60)
        require(not last, f"the views are wrong: {last[:5]}")

    async def _accounts_stand(self) -> None:
        async with self._http() as http:
            for email in self.accounts:
                body = {"email": email, "password": _PASSWORD}
                async with http.post("/api/sessions", json=body) as answer:
                    require(answer.status == HTTPStatus.CREATED, f"an account is lost: {answer.status}")

    async def newcomer(self, over: asyncio.Event) -> None:
        """Open one account after another until it is over."""
        async with self._http() as http:
            while not over.is_set():
                await self._open(http)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), 10 * _THINKING_SECONDS)

    async def _open(self, http: aiohttp.ClientSession) -> None:
        email, key = f"{secrets.token_hex(8)}@faults.example", secrets.token_hex(16)
        form = application(email)
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            try:
                async with http.post("/api/accounts", json=form, headers={"Idempotency-Key": key}) as answer:
                    said = await answer.text()
                    status = answer.status
            except (aiohttp.ClientError, OSError, TimeoutError):
                status, said = 0, ""
            if status == HTTPStatus.CREATED:
                self.accounts[email] = key
                return
            require(not 0 < status < HTTPStatus.INTERNAL_SERVER_ERROR, f"no account: {status} {said}")
            await asyncio.sleep(_PAUSE_SECONDS)

    def _http(self) -> aiohttp.ClientSession:
        watch = aiohttp.TraceConfig()
        watch.on_request_start.append(_think)
        watch.on_request_end.append(self._note)
        watch.on_request_exception.append(self._miss)
        return aiohttp.ClientSession(
            self.portal.url,
            headers={"X-Portal-CSRF": "1"},
            timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS + _THINKING_SECONDS),
            connector=aiohttp.TCPConnector(limit=0),
            trace_configs=[watch],
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def _note(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, told: aiohttp.TraceRequestEndParams
    ) -> None:
        answer = told.response
        self.statuses[told.method, answer.status] += 1
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and (
            answer.content_type != "application/problem+json" or "Retry-After" not in answer.headers
        ):
            self.improper.append(f"{told.method} {told.url.path}: {answer.status}")

    async def _miss(self, *_: Any) -> None:
        self.unanswered += 1

    def _undone(self) -> int:
        return self.unanswered + sum(self.faults().values())

    def _done(self) -> int:
        return sum(n for (_, status), n in self.statuses.items() if status < HTTPStatus.BAD_REQUEST)


@contextlib.asynccontextmanager
async def crowd(portal: RunningPortal, file: Path, *, seed: int = 1) -> AsyncIterator[Crowd]:
    """Let everybody act until the block ends; what is open then is brought to its end."""
    urls = portal.database_urls
    world = await make_world(urls["booking"], urls["gateway"], doctors=_DOCTORS, days=_DAYS, patients=CLIENTS)
    chance = random.Random(seed)
    patients = [Patient(person) for person in world.people]
    slots = chance.sample(world.slots, len(world.slots))
    over = asyncio.Event()
    with Recorder(file, world.slots) as recorder:
        people = Crowd(portal, world, file, recorder)
        async with people._http() as http:  # noqa: SLF001 - its own factory
            people.clients = [
                Client(
                    number=number,
                    chance=random.Random(chance.random()),
                    patients=patients,
                    slots=slots,
                    http=http,
                    url="",
                    recorder=recorder,
                    limit=10**9,
                    give_up_at=time.monotonic() + _GIVE_UP_SECONDS,
                )
                for number in range(CLIENTS)
            ]
            acting = asyncio.gather(*(c.run() for c in people.clients), people.newcomer(over))
            try:
                yield people
                over.set()
                for client in people.clients:
                    client.limit = 0
                await acting
            finally:
                acting.cancel()
                await asyncio.gather(acting, return_exceptions=True)


def application(email: str) -> dict[str, Any]:
    """Fill in the form for an account."""
    born = date(1950, 1, 1) + timedelta(days=secrets.randbelow(18_000))
    return {
        "email": email,
        "password": _PASSWORD,
        "givenName": "Faustyna",
        "familyName": "Wypadek",
        "birthDate": born.isoformat(),
        "sex": "female",
        "passport": f"FX{secrets.randbelow(10**7):07}",
        "phone": f"+48{600_000_000 + secrets.randbelow(99_999_999)}",
        "language": "pl",
        "consents": {"regulations": True, "privacy": True},
    }


async def _think(*_: Any) -> None:
    await asyncio.sleep(random.uniform(0, _THINKING_SECONDS))
