"""Does a person see and change the own account, and do sessions end when the password does?"""

from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from portal_chassis.positions import decode, encode

PASSWORDS = {"currentPassword": "the old one", "newPassword": "nine slow badgers under snow"}
CHANGED = {("identity.events", 3): 41}


def account(account_id: UUID, **changed: Any) -> dict[str, Any]:
    return {
        "accountId": str(account_id),
        "patientId": str(uuid4()),
        "email": "anna@example.com",
        "emailConfirmed": True,
        "newEmail": None,
        "givenName": "Anna",
        "familyName": "Nowak",
        "phone": "+48600100200",
        "birthDate": "1990-05-17",
        "sex": "female",
        "language": "pl",
        "level": "basic",
        "passwordHash": "never out",
        **changed,
    }


def says_changed(portal: Any) -> None:
    async def answer(_: Any) -> web.StreamResponse:
        return web.Response(status=204, headers={"Portal-Position": encode(CHANGED)})

    portal.identity.answer = answer


async def change(portal: Any) -> Any:
    return await portal.browser.post("/api/me/password", json=PASSWORDS, headers=portal.csrf)


async def status_of(browser: Any) -> int:
    return int((await browser.get("/api/sessions")).status_code)


async def test_given_a_session_when_asking_who_i_am_then_the_account_its_level_and_what_unlocks_more(
    portal: Any,
) -> None:
    account_id = await portal.sign_in()
    portal.identity.says(account(account_id))

    response = await portal.browser.get("/api/me")

    assert response.status_code == 200
    body = response.json()
    told = account(account_id, patientId=body["patientId"])
    del told["passwordHash"]
    assert {name: body[name] for name in told} == told
    assert set(body) - set(told) == {"roles", "capabilities", "unlockWays"}
    assert body["capabilities"]["book-appointments"] is True
    assert body["capabilities"]["examination-results"] is False
    assert "bank" in body["unlockWays"]
    seen = portal.identity.seen[-1]
    assert (seen.method, seen.path) == ("GET", f"/accounts/{account_id}")
    assert "Authorization" in seen.headers


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/me"), ("PATCH", "/api/me"), ("POST", "/api/me/password")]
)
async def test_given_no_session_when_asking_about_me_then_401_and_identity_is_not_asked(
    portal: Any, method: str, path: str
) -> None:
    response = await portal.browser.request(method, path, headers=portal.csrf)
    assert (response.status_code, response.json()["type"]) == (401, "/problems/not-signed-in")
    assert not portal.identity.seen


async def test_given_two_open_sessions_when_the_level_rises_then_both_show_it_at_once(portal: Any) -> None:
    account_id = await portal.sign_in()
    async with portal.another_browser() as other:
        await portal.sign_in(account_id=account_id, browser=other)
        for level, unlocked in (("basic", False), ("full", True)):
            portal.identity.says(account(account_id, level=level))
            for browser in (portal.browser, other):
                me = (await browser.get("/api/me")).json()
                assert me["level"] == level
                assert me["capabilities"]["examination-results"] is unlocked
                assert bool(me["unlockWays"]) is not unlocked


async def test_given_a_change_when_patched_then_identity_decides_and_the_new_account_is_shown(
    portal: Any,
) -> None:
    account_id = await portal.sign_in()
    portal.identity.says(account(account_id, language="en"), headers={"Portal-Position": encode(CHANGED)})

    response = await portal.browser.patch("/api/me", json={"language": "en"}, headers=portal.csrf)

    assert response.status_code == 200
    body = response.json()
    assert (body["language"], body["level"]) == ("en", "basic")
    assert "unlockWays" in body
    assert "passwordHash" not in body
    assert decode(response.headers["portal-position"]) == CHANGED
    seen = portal.identity.seen[-1]
    assert (seen.method, seen.path, seen.body) == ("PATCH", f"/accounts/{account_id}", b'{"language":"en"}')
    portal.identity.refuses("invalid", 422)
    refused = await portal.browser.patch("/api/me", json={"phone": "12"}, headers=portal.csrf)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/invalid")


async def test_given_three_browsers_when_the_password_changes_then_this_one_goes_on_under_a_new_cookie(
    portal: Any,
) -> None:
    account_id = await portal.sign_in()
    old = portal.browser.cookies["portal"]
    portal.clock.forward(minutes=1)
    async with portal.another_browser() as other, portal.another_browser() as stranger:
        await portal.sign_in(account_id=account_id, browser=other)
        await portal.sign_in(browser=stranger)
        says_changed(portal)
        portal.browser.headers["User-Agent"] = "here"

        response = await change(portal)

        assert response.status_code == 204
        assert decode(response.headers["portal-position"]) == CHANGED
        assert await status_of(other) == 401
        assert await status_of(stranger) == 200
    seen = portal.identity.seen[-1]
    assert (seen.method, seen.path) == ("POST", f"/accounts/{account_id}/password")
    assert b"nine slow badgers" in seen.body
    [mine] = [s for s in portal.rows.rows.values() if s.account_id == account_id]
    assert (mine.user_agent, mine.password_position, mine.created_at) == ("here", 41, portal.clock.now)
    assert portal.browser.cookies["portal"] != old
    assert await status_of(portal.browser) == 200
    async with portal.another_browser() as thief:
        thief.cookies.set("portal", old)
        assert await status_of(thief) == 401


async def test_given_a_refusal_when_changing_the_password_then_every_session_stays(portal: Any) -> None:
    account_id = await portal.sign_in()
    async with portal.another_browser() as other:
        await portal.sign_in(account_id=account_id, browser=other)
        portal.identity.refuses("password-wrong", 403)
        response = await change(portal)
        assert (response.status_code, response.json()["type"]) == (403, "/problems/password-wrong")
        assert "set-cookie" not in response.headers
        assert [await status_of(browser) for browser in (portal.browser, other)] == [200, 200]


async def test_hazard_table_away_when_the_password_changed_then_503_and_no_new_cookie(portal: Any) -> None:
    await portal.sign_in()
    says_changed(portal)
    portal.rows.away = True
    response = await change(portal)
    assert response.status_code == 503
    assert "set-cookie" not in response.headers
    assert len(portal.rows.rows) == 1


async def test_given_a_link_when_the_password_is_reset_then_every_session_of_the_account_is_over(
    portal: Any,
) -> None:
    account_id = await portal.sign_in()
    async with portal.another_browser() as other, portal.another_browser() as stranger:
        await portal.sign_in(account_id=account_id, browser=other)
        await portal.sign_in(browser=stranger)
        portal.identity.says({"accountId": str(account_id)}, headers={"Portal-Position": encode(CHANGED)})
        async with portal.another_browser() as visitor:
            response = await visitor.post(
                "/api/password-resets/t0-k_n", json={"password": "x"}, headers=portal.csrf
            )
        assert (response.status_code, response.content) == (204, b"")
        assert decode(response.headers["portal-position"]) == CHANGED
        assert [await status_of(b) for b in (portal.browser, other, stranger)] == [401, 401, 200]
    seen = portal.identity.seen[-1]
    assert (seen.method, seen.path, seen.body) == ("POST", "/password-resets/t0-k_n", b'{"password":"x"}')
    assert "Authorization" not in seen.headers
    assert account_id not in {session.account_id for session in portal.rows.rows.values()}


async def test_given_a_lapsed_link_when_used_then_410_and_sessions_stay(portal: Any) -> None:
    await portal.sign_in()
    portal.identity.refuses("link-expired", 410)
    response = await portal.browser.post("/api/password-resets/x", json={}, headers=portal.csrf)
    assert (response.status_code, response.json()["type"]) == (410, "/problems/link-expired")
    assert await status_of(portal.browser) == 200


@pytest.mark.parametrize("said", [{}, {"accountId": "nobody"}, []])
async def test_hazard_identity_does_not_say_whose_password_then_no_success(portal: Any, said: Any) -> None:
    portal.identity.says(said)
    response = await portal.browser.post("/api/password-resets/x", json={}, headers=portal.csrf)
    assert (response.status_code, response.json()["type"]) == (502, "/problems/service-failed")


async def test_hazard_table_away_when_the_password_was_reset_then_503(portal: Any) -> None:
    account_id = await portal.sign_in()
    portal.identity.says({"accountId": str(account_id)})
    portal.rows.away = True
    response = await portal.browser.post("/api/password-resets/x", json={}, headers=portal.csrf)
    assert response.status_code == 503
