"""How does a person's browser behave towards the gateway?"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx

from portal_faults.running import DEADLINE, RunningPortal, eventually

from .people import Person, Typed

WARSAW = ZoneInfo("Europe/Warsaw")

T = TypeVar("T")


def code_of(response: httpx.Response) -> str:
    """Return a refusal's code; fail where the answer is no problem document of that status."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["title"]
    assert problem["type"].startswith("/problems/")
    return str(problem["type"].removeprefix("/problems/"))


def refused(response: httpx.Response) -> tuple[int, str]:
    """Return a refusal's status and code."""
    return response.status_code, code_of(response)


def field_codes(response: httpx.Response) -> dict[str, str]:
    """Return what is said of each field."""
    assert refused(response) == (422, "invalid")
    return {error["pointer"]: error["code"] for error in response.json()["errors"]}


class Browser(httpx.AsyncClient):
    """Keeps its cookie, and sends with everything the newest Portal-Position that it was given."""

    def __init__(self, url: str, typed: Typed) -> None:
        super().__init__(base_url=url, headers={"X-Portal-CSRF": "1"}, timeout=30.0, trust_env=False)
        self.typed = typed
        self.position: str | None = None

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Add the position, and take the new one from the answer."""
        if self.position is not None:
            request.headers["Portal-Position"] = self.position
        response = await super().send(request, **options)
        self.position = response.headers.get("Portal-Position", self.position)
        return response

    async def open_account(self, person: Person, *, key: str | None = None, **changed: Any) -> httpx.Response:
        """Send the form."""
        # Escaped to ASCII, so that even half a surrogate pair can be sent.
        return await self.post(
            "/api/accounts",
            content=json.dumps(person.form(**changed)),
            headers={"Content-Type": "application/json", "Idempotency-Key": key or str(uuid.uuid4())},
        )

    async def sign_in(self, email: str, password: str) -> httpx.Response:
        """Send address and password."""
        return await self.post("/api/sessions", json={"email": email, "password": password})

    async def sign_out(self) -> httpx.Response:
        """End the session."""
        return await self.delete("/api/sessions/current")

    async def book(
        self, slot_id: str, *, key: str | None = None, origin: str | None = None, **more: str
    ) -> httpx.Response:
        """Book a slot; `more` are further fields of the body."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())} | ({"Origin": origin} if origin else {})
        return await self.post("/api/appointments", json={"slotId": slot_id, **more}, headers=headers)

    async def move(
        self, appointment_id: str, slot_id: str, *, key: str | None = None, **more: str
    ) -> httpx.Response:
        """Move a visit to another slot; `more` are further fields of the body."""
        return await self.post(
            f"/api/appointments/{appointment_id}/move",
            json={"slotId": slot_id, **more},
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
        )

    async def up_to_date(self, portal: RunningPortal) -> None:
        """Wait until every view keeps up and no list is stale: that takes a while after a worker has died."""
        await portal.keeps_up()
        service = (await self.services())["Internist"]
        paths = ("/api/timeline", "/api/appointments", f"/api/slots?serviceId={service}")

        async def none_is_stale() -> bool:
            return not any(["Portal-Stale" in (await self.get(path)).headers for path in paths])

        await eventually(none_is_stale, "no list is stale")

    async def items(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        """Read a list that must not be stale, to its last page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            asked = {"limit": 100, **parameters} | ({"cursor": cursor} if cursor else {})
            response = await self.get(path, params=asked)
            assert response.status_code == 200, response.text
            assert "Portal-Stale" not in response.headers
            page = response.json()
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found

    async def timeline(self) -> list[str | None]:
        """Return the appointments on the timeline."""
        return [item["appointmentId"] for item in await self.items("/api/timeline")]

    async def follow(self, last_event_id: str | None = None) -> Stream:
        """Open the timeline's stream."""
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        request = self.build_request("GET", "/api/timeline/stream", headers=headers)
        return Stream(await super().send(request, stream=True))

    async def services(self) -> dict[str, str]:
        """Return the services' ids by their English names."""
        return {item["nameEn"]: item["serviceId"] for item in await self.items("/api/catalogue/services")}

    async def slots(self, service: str, **preferences: Any) -> list[dict[str, Any]]:
        """Return a service's free slots from tomorrow on: none of them begins while a test runs."""
        wanted = {"serviceId": (await self.services())[service], "from": tomorrow(), **preferences}
        return await self.items("/api/slots", **wanted)


@dataclass(frozen=True)
class Sent:
    """One event of a stream."""

    event: str
    id: str | None
    data: Any


class Stream:
    """Server-sent events, as a browser reads them (WHATWG HTML, 9.2)."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self, within: float = DEADLINE) -> Sent | None:
        """Return the next event, None when the stream has ended."""
        async with asyncio.timeout(within):
            fields: dict[str, str] = {}
            async for line in self._lines:
                if not line and "data" in fields:
                    return Sent(fields.get("event", "message"), fields.get("id"), json.loads(fields["data"]))
                if not line:
                    fields = {}
                name, _, value = line.partition(":")
                if name:
                    fields[name] = value.removeprefix(" ")
        return None

    async def close(self) -> None:
        """Leave."""
        await self.response.aclose()


@dataclass(frozen=True)
class Patient:
    """Somebody who is signed in."""

    person: Person
    browser: Browser
    patient_id: str


def tomorrow() -> str:
    """Return tomorrow's date on the clock in Warsaw."""
    return str(datetime.now(WARSAW).date() + timedelta(days=1))


def apart(slots: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep slots of which none overlaps another."""
    kept: list[dict[str, Any]] = []
    free_from = datetime.min.replace(tzinfo=WARSAW)
    for slot in sorted(slots, key=lambda slot: str(slot["startsAt"])):
        starts_at = datetime.fromisoformat(slot["startsAt"])
        if starts_at >= free_from:
            kept.append(slot)
            free_from = starts_at + timedelta(minutes=slot["minutes"])
    return kept
