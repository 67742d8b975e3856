"""Does a request reach the right service with the right things, and only usable answers come back?"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from gateway.forward.routes import ROUTES, Forwarded
from gateway.upstream import Upstream, pooled_client
from portal_chassis.access import NotSignedIn, TokenSigner
from portal_chassis.positions import encode

QUERY = "serviceId=1&city=%C5%81%C3%B3d%C5%BA&x=a%26b&x="
CREATED = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
EACH = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")


def address_of(route: Forwarded) -> str:
    """Return an address that the route answers."""
    path = route.path.replace("{id:uuid}", str(uuid4())).replace("{token}", "a_b-C3")
    return f"{path}?{QUERY}"


@EACH
async def test_given_a_signed_in_patient_when_asking_then_the_service_is_asked_the_same(
    portal: Any, route: Forwarded
) -> None:
    await portal.sign_in()
    portal.identity.seen.clear()
    for service in (portal.booking, portal.identity):
        service.says({"items": [1]}, status=201, headers={"ETag": '"v1"', "Retry-After": "7"})
    path = address_of(route)

    response = await portal.browser.request(route.method, path, headers=portal.csrf)

    [seen] = getattr(portal, route.service).seen
    assert (seen.method, seen.path) == (route.method, path.removeprefix("/api"))
    assert (response.status_code, response.json()) == (201, {"items": [1]})
    assert response.headers["etag"] == '"v1"'
    assert response.headers["retry-after"] == "7"


@EACH
async def test_given_a_visitor_when_asking_then_401_unless_it_is_public(
    portal: Any, route: Forwarded
) -> None:
    response = await portal.browser.request(route.method, address_of(route), headers=portal.csrf)
    asked = [*portal.booking.seen, *portal.identity.seen]
    if route.needs_session:
        assert (response.status_code, response.json()["type"]) == (401, "/problems/not-signed-in")
        assert not asked
    else:
        assert response.status_code == 200
        assert "Authorization" not in asked[0].headers


@pytest.mark.parametrize(
    ("typed", "inside"),
    [
        ("a%3Fx=1", "a%3Fx%3D1"),
        ("a%23b", "a%23b"),
        ("%C5%BC%20%25", "%C5%BC%20%25"),
        ("%2E%2E", ".."),
        ("%0D%0AX-Evil:1", "%0D%0AX-Evil%3A1"),
    ],
)
async def test_hazard_anything_typed_as_a_token_then_the_service_is_asked_about_just_that(
    portal: Any, typed: str, inside: str
) -> None:
    url = httpx.URL(portal.settings.public_url).copy_with(
        raw_path=f"/api/email-confirmations/{typed}".encode()
    )
    await portal.browser.post(url, headers=portal.csrf)
    [seen] = portal.identity.seen
    assert seen.path == f"/email-confirmations/{inside}"


async def test_hazard_forged_address_then_identity_hears_the_sockets_and_booking_none(portal: Any) -> None:
    forged = {
        **portal.csrf,
        "Portal-Client-Address": "6.6.6.6",
        "X-Forwarded-For": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
    }
    portal.identity.says({"accountId": str(uuid4()), "patientId": str(uuid4()), "level": "basic"})
    async with portal.another_browser(client=("203.0.113.7", 5000)) as browser:
        for path in ("/api/accounts", "/api/sessions", "/api/password-resets", "/api/email-confirmations/x"):
            assert (await browser.post(path, headers=forged)).is_success
        await browser.patch("/api/me", headers=forged)
        await browser.post("/api/holds", headers=forged)
        for path in ("/api/me/password", "/api/password-resets/x"):
            assert (await browser.post(path, headers=forged)).is_success
    assert len(portal.identity.seen) == 7
    told = {seen.headers.getone("portal-client-address") for seen in portal.identity.seen}
    assert told == {"203.0.113.7"}
    assert "6.6.6.6" not in repr([*portal.identity.seen, *portal.booking.seen])
    assert "portal-client-address" not in portal.booking.seen[0].headers


async def test_given_a_write_when_forwarded_then_body_key_and_trace_arrive_and_nothing_foreign_does(
    portal: Any,
) -> None:
    await portal.sign_in()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = {
        **portal.csrf,
        "Content-Type": "application/json",
        "Idempotency-Key": "once",
        "Accept-Language": "pl",
        "traceparent": trace,
        "Authorization": "Bearer forged",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=10.0.0.1",
        "X-Real-IP": "10.0.0.1",
        "Connection": "keep-alive, X-Secret",
        "X-Secret": "1",
        "Proxy-Authorization": "Basic eA==",
        "X-Patient-Id": str(uuid4()),
        "Te": "trailers",
        "Upgrade": "h2c",
    }

    await portal.browser.post("/api/appointments", content=b'{"slotId":"1"}', headers=sent)

    [seen] = portal.booking.seen
    assert seen.body == b'{"slotId":"1"}'
    assert seen.headers["Idempotency-Key"] == "once"
    assert seen.headers["Accept-Language"] == "pl"
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["traceparent"].split("-")[1] == trace.split("-")[1]
    assert seen.headers["traceparent"] != trace
    assert seen.headers["Authorization"] != "Bearer forged"
    names = {name.lower() for name in seen.headers}
    assert names == {
        "accept",
        "accept-encoding",
        "accept-language",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "traceparent",
    }


async def test_given_a_caller_when_forwarded_then_the_token_says_who_for_30_seconds_and_one_service(
    portal: Any,
) -> None:
    patient_id = uuid4()
    account_id = await portal.sign_in(patient_id)
    positions = {("booking.events", 4): 17}
    await portal.browser.get("/api/slots", headers={"Portal-Position": encode(positions)})

    scheme, _, token = portal.booking.seen[0].headers["Authorization"].partition(" ")

    now = portal.clock.now
    caller = portal.verifier.verify(token, now=now)
    assert scheme == "Bearer"
    assert (caller.account_id, caller.patient_id) == (account_id, patient_id)
    assert caller.positions == positions
    portal.verifier.verify(token, now=now + timedelta(seconds=29))
    with pytest.raises(NotSignedIn):
        portal.verifier.verify(token, now=now + timedelta(seconds=31))
    await portal.browser.get("/api/me")
    for_identity = portal.identity.seen[-1].headers["Authorization"].removeprefix("Bearer ")
    with pytest.raises(NotSignedIn):
        portal.verifier.verify(for_identity, now=now)


async def test_given_an_answer_when_it_comes_back_then_the_services_own_headers_do_not(portal: Any) -> None:
    await portal.sign_in()
    inside = {
        "Set-Cookie": "portal=stolen",
        "X-Internal": "1",
        "Server": "secret/1.0",
        "Access-Control-Allow-Origin": "*",
        "Content-Security-Policy": "default-src *",
        "Location": "/appointments/1",
        "Connection": "close",
    }
    portal.booking.says({}, status=201, headers=inside)

    response = await portal.browser.post("/api/appointments", headers=portal.csrf)

    assert response.headers["location"] == "/api/appointments/1"
    assert not {"set-cookie", "x-internal", "server", "connection"} & set(response.headers)
    assert "access-control-allow-origin" not in response.headers
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/appointments/1", "//evil.example/x"])
async def test_given_a_location_elsewhere_then_it_stays_inside(portal: Any, location: str) -> None:
    await portal.sign_in()
    portal.booking.says({}, status=201, headers={"Location": location})
    response = await portal.browser.post("/api/appointments", headers=portal.csrf)
    assert "location" not in response.headers


async def test_given_an_unchanged_catalogue_when_revalidated_then_304(portal: Any) -> None:
    async def unchanged(seen: Any) -> web.StreamResponse:
        assert seen.headers["If-None-Match"] == '"v1"'
        return web.Response(status=304, headers={"ETag": '"v1"'})

    portal.booking.answer = unchanged
    response = await portal.browser.get("/api/catalogue/services", headers={"If-None-Match": '"v1"'})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == '"v1"'
    assert response.headers["cache-control"] == "private, no-cache"


async def test_given_a_refusal_when_it_comes_back_then_the_same_problem_with_the_public_path(
    portal: Any,
) -> None:
    await portal.sign_in()
    portal.booking.refuses("slot-taken", 409, instance="/appointments")
    response = await portal.browser.post("/api/appointments", headers=portal.csrf)
    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "/problems/slot-taken",
        "title": "slot-taken",
        "status": 409,
        "instance": "/api/appointments",
    }


async def test_given_a_busy_service_when_it_says_when_then_the_client_hears_it(portal: Any) -> None:
    await portal.sign_in()
    portal.booking.refuses("store-unavailable", 503, Retry_After="3")
    response = await portal.browser.get("/api/slots")
    assert (response.status_code, response.headers["retry-after"]) == (503, "3")


async def _html_500(_: Any) -> web.StreamResponse:
    return web.Response(status=500, text="Traceback: secret", content_type="text/html")


async def _json_500(_: Any) -> web.StreamResponse:
    return web.json_response({"secret": 1}, status=500)


async def _problem_that_is_none(_: Any) -> web.StreamResponse:
    return web.Response(status=409, body=b"{secret", content_type="application/problem+json")


async def _page(_: Any) -> web.StreamResponse:
    return web.Response(status=200, text="<script>secret</script>", content_type="text/html")


async def _redirect(_: Any) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/secret"})


async def _our_token_refused(_: Any) -> web.StreamResponse:
    problem = {"type": "/problems/not-signed-in", "title": "secret", "status": 401}
    return web.json_response(problem, status=401, content_type="application/problem+json")


@pytest.mark.parametrize(
    "answer", [_html_500, _json_500, _problem_that_is_none, _page, _redirect, _our_token_refused]
)
async def test_hazard_service_answers_nonsense_then_502_and_nothing_of_it(
    portal: Any, answer: Callable[[Any], Awaitable[web.StreamResponse]]
) -> None:
    await portal.sign_in()
    portal.booking.answer = answer
    response = await portal.browser.get("/api/slots")
    assert (response.status_code, response.json()["type"]) == (502, "/problems/service-failed")
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"\x00\x01garbage\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", 502),
        (b"", 503),
    ],
)
async def test_hazard_service_breaks_off_then_a_problem(portal: Any, said: bytes, status: int) -> None:
    await portal.sign_in()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server, pooled_client() as http:
        port = server.sockets[0].getsockname()[1]
        await _replace_booking(portal, f"http://127.0.0.1:{port}", http)
        response = await portal.browser.get("/api/slots")
    assert response.status_code == status


async def test_hazard_service_down_then_503_with_retry_after(portal: Any) -> None:
    await portal.sign_in()
    async with pooled_client() as http:
        await _replace_booking(portal, f"http://127.0.0.1:{unused_port()}", http)
        response = await portal.browser.get("/api/slots")
    assert (response.status_code, response.json()["type"]) == (503, "/problems/service-unavailable")
    assert int(response.headers["retry-after"]) > 0


async def test_hazard_service_silent_then_503_in_time(portal: Any) -> None:
    await portal.sign_in()
    released = asyncio.Event()

    async def silent(_: Any) -> web.StreamResponse:
        await released.wait()
        return web.json_response({})

    portal.booking.answer = silent
    async with pooled_client() as http:
        await _replace_booking(portal, portal.booking.url, http, answer_seconds=0.2)
        async with asyncio.timeout(5):
            response = await portal.browser.post(
                "/api/appointments", headers={**portal.csrf, "Idempotency-Key": "once"}
            )
        released.set()
    assert (response.status_code, response.json()["type"]) == (503, "/problems/service-unavailable")
    assert len(portal.booking.seen) == 1, "a service that is slow is not asked twice"


@pytest.mark.parametrize(("headers", "asked"), [({"Idempotency-Key": "once"}, 2), ({}, 1)])
async def test_hazard_connection_breaks_during_a_write_then_repeated_only_with_a_key(
    portal: Any, headers: dict[str, str], asked: int
) -> None:
    await portal.sign_in()
    count = 0

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        await reader.readuntil(b"\r\n\r\n")
        count += 1
        if count == 2:
            writer.write(CREATED)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server, pooled_client() as http:
        await _replace_booking(portal, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", http)
        response = await portal.browser.post("/api/appointments", headers={**portal.csrf, **headers})
    assert count == asked
    assert response.status_code == (201 if asked == 2 else 503)


async def test_hazard_long_body_then_413_and_the_service_is_not_asked(portal: Any) -> None:
    await portal.sign_in()

    async def chunks() -> Any:
        for _ in range(65):
            yield b"x" * 1024

    for content in (b"x" * (64 * 1024 + 1), chunks()):
        response = await portal.browser.post("/api/appointments", content=content, headers=portal.csrf)
        assert (response.status_code, response.json()["type"]) == (413, "/problems/body-too-large")
    assert not portal.booking.seen
    response = await portal.browser.post("/api/appointments", content=b"x" * 64 * 1024, headers=portal.csrf)
    assert response.status_code == 200


async def test_given_services_up_and_down_when_asked_then_what_is_missing_is_named(portal: Any) -> None:
    signer = TokenSigner(portal.settings.gateway_signing_key_file)
    async with pooled_client() as http:
        up = Upstream("booking", portal.booking.url, http, signer)
        down = Upstream("identity", f"http://127.0.0.1:{unused_port()}", http, signer)
        assert await up.missing() == []
        assert await down.missing() == ["identity does not answer"]


async def _replace_booking(portal: Any, url: str, http: Any, **options: float) -> None:
    signer = TokenSigner(portal.settings.gateway_signing_key_file)
    portal.app.state.upstreams["booking"] = Upstream("booking", url, http, signer, **options)
