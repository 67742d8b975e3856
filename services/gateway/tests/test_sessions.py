"""Does a session begin, live and end as the product says?"""

from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from gateway.edge.open_sessions import OpenSessions
from gateway.edge.session import digest, told_user_agent
from portal_chassis.settings import SettingsError

CREDENTIALS = {"email": "anna@example.com", "password": "a long password"}


async def status_when_searching(portal: Any) -> int:
    response = await portal.browser.get("/api/slots")
    return int(response.status_code)


async def test_given_right_credentials_when_signing_in_then_a_session_and_no_token_in_the_body(
    portal: Any,
) -> None:
    account_id, patient_id = uuid4(), uuid4()
    told = {"accountId": str(account_id), "patientId": str(patient_id), "level": "full", "roles": []}
    portal.identity.says(told)

    response = await portal.browser.post("/api/sessions", json=CREDENTIALS, headers=portal.csrf)

    assert response.status_code == 201
    assert response.json() == {"accountId": str(account_id), "level": "full"}
    [session] = portal.rows.rows.values()
    token = response.cookies["portal"]
    assert len(token) == 43
    assert session.digest == digest(token)
    assert (session.account_id, session.patient_id) == (account_id, patient_id)
    assert token not in repr(session)
    [seen] = portal.identity.seen
    assert (seen.method, seen.path) == ("POST", "/sign-ins")
    assert b"a long password" in seen.body


async def test_given_wrong_credentials_when_signing_in_then_401_and_no_session(portal: Any) -> None:
    portal.identity.refuses("sign-in-failed", 401)

    response = await portal.browser.post("/api/sessions", json=CREDENTIALS, headers=portal.csrf)

    assert response.status_code == 401
    assert response.json()["type"] == "/problems/sign-in-failed"
    assert "set-cookie" not in response.headers
    assert not portal.rows.rows


async def test_given_a_new_account_when_created_then_signed_in_at_once(portal: Any) -> None:
    account_id = uuid4()
    told = {"accountId": str(account_id), "patientId": str(uuid4()), "level": "basic"}
    portal.identity.says(told, status=201)

    response = await portal.browser.post(
        "/api/accounts", json={"email": "anna@example.com"}, headers={**portal.csrf, "Idempotency-Key": "k1"}
    )

    assert response.status_code == 201
    assert response.json() == {"accountId": str(account_id), "level": "basic"}
    assert portal.identity.seen[0].path == "/accounts"
    assert portal.identity.seen[0].headers["Idempotency-Key"] == "k1"
    assert await status_when_searching(portal) == 200


async def test_given_a_refused_account_when_created_then_no_session(portal: Any) -> None:
    portal.identity.refuses("account-exists", 409)
    response = await portal.browser.post("/api/accounts", json={}, headers=portal.csrf)
    assert response.status_code == 409
    assert not portal.rows.rows


async def test_given_identity_speaks_nonsense_when_signing_in_then_502_and_no_session(portal: Any) -> None:
    portal.identity.says({"accountId": "not an id"})
    response = await portal.browser.post("/api/sessions", json=CREDENTIALS, headers=portal.csrf)
    assert (response.status_code, response.json()["type"]) == (502, "/problems/service-failed")
    assert not portal.rows.rows


async def test_given_a_session_when_idle_for_30_minutes_then_over(portal: Any) -> None:
    await portal.sign_in()
    portal.clock.forward(minutes=29, seconds=59)
    assert await status_when_searching(portal) == 200
    portal.clock.forward(minutes=29, seconds=59)
    assert await status_when_searching(portal) == 200
    portal.clock.forward(minutes=30)
    assert await status_when_searching(portal) == 401


async def test_given_use_in_one_process_when_asked_in_another_then_not_idle(portal: Any) -> None:
    await portal.sign_in()
    other = OpenSessions(portal.rows, portal.clock)
    token = portal.browser.cookies["portal"]
    portal.clock.forward(minutes=29)
    assert await status_when_searching(portal) == 200
    await portal.app.state.sessions.write_seen()
    portal.clock.forward(minutes=29)
    assert await other.find(token) is not None


async def test_given_constant_use_when_12_hours_are_over_then_the_session_is(portal: Any) -> None:
    await portal.sign_in()
    for _ in range(12 * 4 - 1):
        portal.clock.forward(minutes=15)
        assert await status_when_searching(portal) == 200
    portal.clock.forward(minutes=15)
    assert await status_when_searching(portal) == 401


async def test_given_a_sign_out_elsewhere_when_5_seconds_are_over_then_it_is_seen(portal: Any) -> None:
    await portal.sign_in()
    elsewhere = OpenSessions(portal.rows, portal.clock)
    assert await status_when_searching(portal) == 200
    session = await elsewhere.find(portal.browser.cookies["portal"])
    assert session is not None
    await elsewhere.end(session)

    portal.clock.forward(seconds=5)

    assert await status_when_searching(portal) == 401


async def test_given_a_fresh_look_when_used_within_5_seconds_then_the_table_is_not_asked(portal: Any) -> None:
    await portal.sign_in()
    portal.rows.away = True
    portal.clock.forward(seconds=4)
    assert await status_when_searching(portal) == 200
    portal.clock.forward(seconds=1)
    assert await status_when_searching(portal) == 503


async def test_hazard_clock_set_back_then_a_remembered_row_is_not_believed(portal: Any) -> None:
    await portal.sign_in()
    portal.rows.rows.clear()
    portal.clock.forward(days=-1)
    assert await status_when_searching(portal) == 401


async def test_given_a_session_when_signed_out_then_the_row_is_gone_and_the_cookie_cleared(
    portal: Any,
) -> None:
    await portal.sign_in()
    token = portal.browser.cookies["portal"]

    response = await portal.browser.delete("/api/sessions/current", headers=portal.csrf)

    assert response.status_code == 204
    assert not portal.rows.rows
    assert 'portal=""' in response.headers["set-cookie"]
    portal.browser.cookies.set("portal", token)
    assert await status_when_searching(portal) == 401


async def test_hazard_table_away_when_signing_out_then_503_and_still_signed_in(portal: Any) -> None:
    await portal.sign_in()
    portal.rows.away = True

    response = await portal.browser.delete("/api/sessions/current", headers=portal.csrf)

    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert "set-cookie" not in response.headers
    portal.rows.away = False
    assert await status_when_searching(portal) == 200


async def test_hazard_table_away_when_signing_in_then_503_and_no_cookie(portal: Any) -> None:
    portal.rows.away = True
    portal.identity.says({"accountId": str(uuid4()), "patientId": str(uuid4()), "level": "basic"})
    response = await portal.browser.post("/api/sessions", json=CREDENTIALS, headers=portal.csrf)
    assert response.status_code == 503
    assert "set-cookie" not in response.headers


async def test_hazard_table_away_when_uses_are_written_then_they_are_kept_for_later(portal: Any) -> None:
    await portal.sign_in()
    portal.clock.forward(minutes=20)
    assert await status_when_searching(portal) == 200
    portal.rows.away = True
    with pytest.raises(Exception, match="does not answer"):
        await portal.app.state.sessions.write_seen()
    portal.rows.away = False

    await portal.app.state.sessions.write_seen()

    [row] = portal.rows.rows.values()
    assert row.seen_at == portal.clock.now


async def test_hazard_fixation_given_a_planted_cookie_when_signing_in_then_a_new_id_and_the_old_is_dead(
    portal: Any,
) -> None:
    await portal.sign_in()
    planted = portal.browser.cookies["portal"]

    await portal.sign_in()

    assert portal.browser.cookies["portal"] != planted
    assert len(portal.rows.rows) == 1
    portal.browser.cookies.clear()
    portal.browser.cookies.set("portal", planted)
    assert await status_when_searching(portal) == 401


@pytest.mark.parametrize("planted", ["x", "a" * 43, "ż" * 43, "a" * 5000])
async def test_hazard_fixation_given_a_made_up_cookie_when_signing_in_then_not_taken_over(
    portal: Any, planted: str
) -> None:
    await portal.sign_in(cookie=f"portal={planted}".encode())
    assert portal.browser.cookies["portal"] != planted
    assert digest("a" * 43) not in portal.rows.rows


async def test_given_loopback_over_http_when_signing_in_then_a_plain_cookie_without_secure(
    portal: Any,
) -> None:
    await portal.sign_in()
    portal.identity.says({"accountId": str(uuid4()), "patientId": str(uuid4()), "level": "basic"})
    response = await portal.browser.post("/api/sessions", json=CREDENTIALS, headers=portal.csrf)
    name, *attributes = response.headers["set-cookie"].lower().split("; ")
    assert name.startswith("portal=")
    assert set(attributes) == {"httponly", "path=/", "samesite=lax"}


async def test_given_https_when_signing_in_then_a_host_cookie_with_secure(make_portal: Any) -> None:
    portal = await make_portal(PUBLIC_URL="https://portal.example")
    portal.identity.says({"accountId": str(uuid4()), "patientId": str(uuid4()), "level": "basic"})

    response = await portal.browser.post("/api/sessions", json=CREDENTIALS, headers=portal.csrf)

    name, *attributes = response.headers["set-cookie"].split("; ")
    assert name.startswith("__Host-portal=")
    assert {a.lower() for a in attributes} == {"httponly", "path=/", "samesite=lax", "secure"}
    assert await status_when_searching(portal) == 200
    token = name.partition("=")[2]
    portal.browser.cookies.clear()
    portal.browser.cookies.set("portal", token)
    assert await status_when_searching(portal) == 401, "the plain name must not count over TLS"


@pytest.mark.parametrize("url", ["http://portal.example", "ftp://127.0.0.1", "portal", ""])
def test_given_http_beyond_loopback_when_settings_are_read_then_refused(make_settings: Any, url: str) -> None:
    with pytest.raises(SettingsError, match="PUBLIC_URL"):
        make_settings(PUBLIC_URL=url)


async def sessions_of(browser: Any) -> list[dict[str, Any]]:
    response = await browser.get("/api/sessions")
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["next"] is None
    items: list[dict[str, Any]] = body["items"]
    return items


async def test_given_two_browsers_when_sessions_are_listed_then_both_and_which_is_this_one(
    portal: Any,
) -> None:
    portal.browser.headers["User-Agent"] = "Mozilla/5.0 (home)"
    account_id = await portal.sign_in()
    await portal.sign_in()  # in place of the first: somebody else's now
    await portal.sign_in(account_id=account_id)
    portal.clock.forward(minutes=3)
    async with portal.another_browser() as library:
        library.headers["User-Agent"] = "Mozilla/5.0 (library)"
        await portal.sign_in(account_id=account_id, browser=library)
        portal.clock.forward(minutes=4)

        here = await sessions_of(portal.browser)
        there = await sessions_of(library)

    newest, oldest = here
    assert set(newest) == {"id", "createdAt", "seenAt", "userAgent", "current"}
    assert (newest["userAgent"], newest["current"]) == ("Mozilla/5.0 (library)", False)
    assert (newest["createdAt"], newest["seenAt"]) == ("2026-11-23T12:03:00Z", "2026-11-23T12:03:00Z")
    assert (oldest["userAgent"], oldest["current"]) == ("Mozilla/5.0 (home)", True)
    assert oldest["seenAt"] == "2026-11-23T12:07:00Z", "used just now, though not written yet"
    assert [session["current"] for session in there] == [True, False]
    assert [session["id"] for session in there] == [newest["id"], oldest["id"]]


async def test_given_sessions_that_are_over_when_listed_then_not_there(portal: Any) -> None:
    account_id = await portal.sign_in()
    async with portal.another_browser() as browser:
        portal.clock.forward(minutes=20)
        await portal.sign_in(account_id=account_id, browser=browser)
        portal.clock.forward(minutes=10)
        assert len(portal.rows.rows) == 2
        assert [session["current"] for session in await sessions_of(browser)] == [True]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"Mozilla/5.0 (X11)", "Mozilla/5.0 (X11)"),
        (b"  a \t\t b\x00\x1b[31m\x7f\x85c  ", "a b [31m c"),
        (b"x" * 300, "x" * 200),
        (b"x" * 199 + b" yz", "x" * 199),
        (b"", ""),
        (None, ""),
    ],
)
def test_given_any_user_agent_when_kept_then_one_short_line(sent: bytes | None, kept: str) -> None:
    assert told_user_agent(None if sent is None else sent.decode("latin-1")) == kept


async def test_given_another_session_of_mine_when_ended_then_its_row_is_gone_and_it_is_signed_out(
    portal: Any,
) -> None:
    account_id = await portal.sign_in()
    async with portal.another_browser() as lost:
        await portal.sign_in(account_id=account_id, browser=lost)
        [other] = [s for s in await sessions_of(portal.browser) if not s["current"]]

        response = await portal.browser.delete(f"/api/sessions/{other['id']}", headers=portal.csrf)

        assert response.status_code == 204
        assert "set-cookie" not in response.headers
        assert len(portal.rows.rows) == 1
        assert (await lost.get("/api/sessions")).status_code == 401
    assert len(await sessions_of(portal.browser)) == 1
    again = await portal.browser.delete(f"/api/sessions/{other['id']}", headers=portal.csrf)
    assert (again.status_code, again.json()["type"]) == (404, "/problems/session-unknown")


async def test_given_this_session_when_ended_by_its_id_then_the_cookie_is_cleared_too(portal: Any) -> None:
    await portal.sign_in()
    [mine] = await sessions_of(portal.browser)
    response = await portal.browser.delete(f"/api/sessions/{mine['id']}", headers=portal.csrf)
    assert response.status_code == 204
    assert 'portal=""' in response.headers["set-cookie"]
    assert not portal.rows.rows


async def test_hazard_anothers_session_when_ended_then_404_and_it_lives(portal: Any) -> None:
    await portal.sign_in()
    async with portal.another_browser() as other:
        await portal.sign_in(browser=other)
        [theirs] = await sessions_of(other)
        for session_id in (theirs["id"], str(uuid4())):
            response = await portal.browser.delete(f"/api/sessions/{session_id}", headers=portal.csrf)
            assert (response.status_code, response.json()["type"]) == (404, "/problems/session-unknown")
        assert len(await sessions_of(other)) == 1


async def test_hazard_table_away_when_ending_one_then_503_and_it_lives(portal: Any) -> None:
    account_id = await portal.sign_in()
    async with portal.another_browser() as other:
        await portal.sign_in(account_id=account_id, browser=other)
        items = await sessions_of(portal.browser)
        portal.rows.away = True
        for session in items:
            response = await portal.browser.delete(f"/api/sessions/{session['id']}", headers=portal.csrf)
            assert response.status_code == 503
            assert "set-cookie" not in response.headers
        assert (await portal.browser.get("/api/sessions")).status_code == 503
        portal.rows.away = False
        assert len(await sessions_of(other)) == 2


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/sessions"), ("DELETE", f"/api/sessions/{uuid4()}")]
)
async def test_given_a_visitor_when_asking_for_sessions_then_401(portal: Any, method: str, path: str) -> None:
    response = await portal.browser.request(method, path, headers=portal.csrf)
    assert (response.status_code, response.json()["type"]) == (401, "/problems/not-signed-in")


async def test_hazard_password_checked_before_it_changed_then_the_session_counts_as_begun_before(
    portal: Any,
) -> None:
    asked = portal.clock.now

    async def slow(_: Any) -> web.StreamResponse:
        portal.clock.forward(seconds=2)
        return web.json_response(
            {"accountId": str(uuid4()), "patientId": str(uuid4()), "level": "basic", "roles": []}
        )

    portal.identity.answer = slow
    response = await portal.browser.post("/api/sessions", json=CREDENTIALS, headers=portal.csrf)
    assert response.status_code == 201
    [session] = portal.rows.rows.values()
    assert session.created_at == asked
