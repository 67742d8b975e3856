"""Does the catalogue list what the network offers, page by page, and spare whoever holds it already?"""

import pytest

from .house import House

pytestmark = pytest.mark.connected


async def test_given_the_network_when_listed_then_services_facilities_and_doctors_by_name(
    shown: House,
) -> None:
    services = (await shown.client.get("/catalogue/services")).json()
    assert services == {
        "items": [
            {
                "serviceId": "00000000-0000-0000-0000-00000000000c",
                "name": "Internista",
                "nameEn": "Internist",
                "price": 20000,
            },
            {
                "serviceId": "00000000-0000-0000-0000-00000000000b",
                "name": "Stomatolog",
                "nameEn": "Dentist",
                "price": 20000,
            },
        ],
        "next": None,
    }
    facilities = (await shown.client.get("/catalogue/facilities")).json()["items"]
    assert [place["city"] for place in facilities] == ["Kraków", "Warszawa", "Warszawa"]
    assert facilities[0]["zone"] == "Europe/Warsaw"
    doctors = (await shown.client.get("/catalogue/doctors")).json()["items"]
    assert [doctor["name"] for doctor in doctors] == ["lek. dent. Ewa Lis", "lek. med. Anna Nowak"]
    assert (doctors[1]["pwz"], doctors[1]["languages"]) == ("5425740", ["pl", "en"])


async def test_given_pages_when_followed_then_everything_comes_once(shown: House) -> None:
    first = (await shown.client.get("/catalogue/facilities", params={"limit": 2})).json()
    second = (
        await shown.client.get("/catalogue/facilities", params={"limit": 2, "cursor": first["next"]})
    ).json()
    names = [item["name"] for item in first["items"] + second["items"]]
    assert names == sorted(names)
    assert (len(names), second["next"]) == (3, None)


async def test_given_an_etag_when_sent_back_then_304_without_a_body(shown: House) -> None:
    first = await shown.client.get("/catalogue/services")
    etag = first.headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await shown.client.get("/catalogue/services", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    other = await shown.client.get("/catalogue/services", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize("cursor", ["x", "W10", "WyJhIiwiYiJd", "WyJcdTAwMDAiLCJiIl0"])
async def test_given_a_foreign_cursor_when_sent_then_422(shown: House, cursor: str) -> None:
    answer = await shown.client.get("/catalogue/doctors", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "cursor-invalid")
