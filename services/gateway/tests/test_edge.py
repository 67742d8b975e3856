"""Are foreign writes refused, answers dressed, and positions merged, whatever the path?"""

from typing import Any
from uuid import uuid4

import pytest

from gateway.edge.csrf import origins_of
from portal_chassis.positions import decode, encode

OURS = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"X-Portal-CSRF": "1"}, False),
        ({"X-Portal-CSRF": "1", "Origin": OURS}, False),
        ({"X-Portal-CSRF": "1", "Origin": "http://localhost:8080"}, False),
        ({"X-Portal-CSRF": "1", "Origin": "http://[::1]:8080"}, False),
        ({}, True),
        ({"Origin": OURS}, True),
        ({"X-Portal-CSRF": "0"}, True),
        ({"X-Portal-CSRF": ""}, True),
        ({"X-Portal-CSRF": "1", "Origin": "null"}, True),
        ({"X-Portal-CSRF": "1", "Origin": ""}, True),
        ({"X-Portal-CSRF": "1", "Origin": "http://127.0.0.1"}, True),
        ({"X-Portal-CSRF": "1", "Origin": "https://127.0.0.1:8080"}, True),
        ({"X-Portal-CSRF": "1", "Origin": "http://127.0.0.1:8081"}, True),
        ({"X-Portal-CSRF": "1", "Origin": "https://evil.example"}, True),
        ({"X-Portal-CSRF": "1", "Origin": f"{OURS}.evil.example"}, True),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/appointments"), ("POST", "/api/sessions"), ("DELETE", "/api/sessions/current")],
)
async def test_hazard_cross_site_write_then_refused(
    portal: Any, method: str, path: str, headers: dict[str, str], *, refused: bool
) -> None:
    response = await portal.browser.request(method, path, headers=headers, content=b"{}")
    assert (response.status_code == 403) is refused
    if refused:
        assert response.json()["type"] == "/problems/csrf"
        assert not portal.booking.seen
        assert not portal.identity.seen


async def test_given_two_origins_when_one_is_foreign_then_refused(portal: Any) -> None:
    headers = [("X-Portal-CSRF", "1"), ("Origin", OURS), ("Origin", "https://evil.example")]
    response = await portal.browser.post("/api/appointments", headers=headers)
    assert response.status_code == 403


async def test_given_a_read_when_it_comes_from_elsewhere_then_answered(portal: Any) -> None:
    await portal.sign_in()
    portal.booking.says({"items": [], "next": None})
    response = await portal.browser.get("/api/slots", headers={"Origin": "https://evil.example"})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


async def test_given_an_unknown_path_when_written_from_elsewhere_then_refused_too(portal: Any) -> None:
    response = await portal.browser.post("/api/whatever-comes", headers={"Origin": "https://evil.example"})
    assert response.status_code == 403


def test_given_default_ports_when_origins_are_made_then_as_browsers_write_them() -> None:
    assert origins_of("https://portal.example:443/") == {"https://portal.example"}
    assert origins_of("https://Portal.Example:8443") == {"https://portal.example:8443"}


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/nothing", 404), ("/api/nothing", 404), ("/api/me", 401), ("/healthz", 200)],
)
async def test_given_any_answer_then_it_is_dressed(portal: Any, path: str, status: int) -> None:
    response = await portal.browser.get(path)
    assert response.status_code == status
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "same-origin"
    assert "strict-transport-security" not in response.headers
    assert "server" not in response.headers


async def test_given_a_fault_of_ours_then_the_500_is_dressed_and_says_nothing(portal: Any) -> None:
    portal.app.state.sessions = None
    response = await portal.browser.get("/api/me", headers={"Cookie": "portal=x"})
    assert response.status_code == 500
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "NoneType" not in response.text


async def test_given_https_then_browsers_are_told_to_stay_there(make_portal: Any) -> None:
    portal = await make_portal(PUBLIC_URL="https://portal.example")
    response = await portal.browser.get("/")
    assert "max-age" in response.headers["strict-transport-security"]


async def test_given_a_visitor_when_opening_the_portal_then_a_page_without_scripts(portal: Any) -> None:
    response = await portal.browser.get("/")
    assert response.headers["content-type"].startswith("text/html")
    for word in ("Patient Portal", "Zdrovia", "/api/openapi.json"):
        assert word in response.text
    assert "<script" not in response.text
    assert "style=" not in response.text
    for link in ("/site.css", "/api/openapi.json"):
        assert (await portal.browser.get(link)).status_code == 200


async def test_given_a_typo_when_opening_a_page_then_a_page_for_people(portal: Any) -> None:
    response = await portal.browser.get("/tpyo")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/tpyo", "/api/", "/api/appointments/not-an-id", "/api/slots/"])
async def test_given_a_typo_under_api_then_a_problem(portal: Any, path: str) -> None:
    await portal.sign_in()
    response = await portal.browser.get(path)
    assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/appointments", {"GET", "POST"}),
        ("POST", "/api/slots", {"GET"}),
        ("PUT", "/api/sessions", {"GET", "POST"}),
        ("GET", "/api/password-resets/x", {"POST"}),
        ("DELETE", "/api/timeline", {"GET"}),
    ],
)
async def test_given_a_wrong_method_then_405_with_the_right_ones(
    portal: Any, method: str, path: str, allow: set[str]
) -> None:
    response = await portal.browser.request(method, path, headers=portal.csrf)
    assert (response.status_code, response.json()["type"]) == (405, "/problems/method-not-allowed")
    assert set(response.headers["allow"].split(", ")) == allow


async def test_given_a_write_when_answered_then_old_and_new_positions_are_merged(portal: Any) -> None:
    await portal.sign_in()
    mine = {("booking.events", 1): 5, ("identity.events", 2): 9}
    new = {("booking.events", 1): 7, ("booking.events", 3): 1}
    portal.booking.says({"id": "x"}, status=201, headers={"Portal-Position": encode(new)})

    response = await portal.browser.post(
        "/api/appointments", json={}, headers={**portal.csrf, "Portal-Position": encode(mine)}
    )

    assert decode(response.headers["portal-position"]) == {
        ("booking.events", 1): 7,
        ("booking.events", 3): 1,
        ("identity.events", 2): 9,
    }


async def test_given_a_lower_position_from_a_service_then_nobody_goes_back(portal: Any) -> None:
    await portal.sign_in()
    mine = {("booking.events", 1): 5}
    portal.booking.says({}, status=201, headers={"Portal-Position": encode({("booking.events", 1): 4})})
    response = await portal.browser.post(
        "/api/appointments", json={}, headers={**portal.csrf, "Portal-Position": encode(mine)}
    )
    assert decode(response.headers["portal-position"]) == mine


async def test_given_a_refused_write_then_what_came_in_goes_back(portal: Any) -> None:
    await portal.sign_in()
    mine = encode({("booking.events", 1): 5})
    portal.booking.refuses("slot-taken", 409)
    response = await portal.browser.post(
        "/api/appointments", json={}, headers={**portal.csrf, "Portal-Position": mine}
    )
    assert (response.status_code, response.headers["portal-position"]) == (409, mine)


async def test_given_a_write_without_a_position_then_the_answer_has_one(portal: Any) -> None:
    portal.identity.says({"accountId": str(uuid4()), "patientId": str(uuid4()), "level": "basic"})
    response = await portal.browser.post("/api/sessions", json={}, headers=portal.csrf)
    assert decode(response.headers["portal-position"]) == {}


async def test_given_a_read_with_a_position_then_it_comes_back_and_without_it_does_not(portal: Any) -> None:
    await portal.sign_in()
    portal.booking.says({"items": [], "next": None})
    mine = encode({("booking.events", 1): 5})
    response = await portal.browser.get("/api/slots", headers={"Portal-Position": mine})
    assert response.headers["portal-position"] == mine
    assert "portal-position" not in (await portal.browser.get("/api/slots")).headers


async def test_given_a_malformed_position_then_ignored(portal: Any) -> None:
    await portal.sign_in()
    portal.booking.says({"items": [], "next": None})
    response = await portal.browser.get("/api/slots", headers={"Portal-Position": "%%%"})
    assert response.status_code == 200
    assert decode(response.headers["portal-position"]) == {}
