"""Does the catalogue list what the network offers, page by page, and spare whoever holds it already?"""

from dataclasses import replace
from uuid import UUID

import pytest

from booking.add_doctor.decide import ADD_DOCTOR, AddDoctor
from booking.add_service.decide import ADD_SERVICE
from portal_events.identity import Level

from .house import CONTEXT, DENTIST, DENTISTS_VISIT, INTERNIST, KRAKOW, LIS, House, project

pytestmark = pytest.mark.connected


async def test_given_the_network_when_listed_then_everything_a_person_needs_by_name(shown: House) -> None:
    assert (await shown.client.get("/catalogue/services")).json() == {
        "items": [
            {
                "serviceId": str(INTERNIST),
                "name": "Internista",
                "nameEn": "Internist",
                "kind": "consultation",
                "modes": ["in-person", "video"],
                "levels": ["basic", "full"],
                "referralRequired": False,
                "price": 20000,
                "covered": True,
                "preparation": "",
                "preparationEn": "",
            },
            {
                "serviceId": str(DENTIST),
                "name": "Stomatolog",
                "nameEn": "Dentist",
                "kind": "dentistry",
                "modes": ["in-person"],
                "levels": ["basic", "full"],
                "referralRequired": False,
                "price": 20000,
                "covered": False,
                "preparation": "Umyj zęby",
                "preparationEn": "Brush your teeth",
            },
        ],
        "next": None,
    }
    facilities = (await shown.client.get("/catalogue/facilities")).json()["items"]
    assert [place["city"] for place in facilities] == ["Kraków", "Warszawa", "Warszawa"]
    assert facilities[0] == {
        "facilityId": str(KRAKOW),
        "name": "Zdrovia Kazimierz",
        "street": "ul. Dietla 60",
        "postalCode": "31-039",
        "city": "Kraków",
        "zone": "Europe/Warsaw",
        "phone": "+48221234567",
        "partner": False,
    }
    doctors = (await shown.client.get("/catalogue/doctors")).json()["items"]
    assert [doctor["name"] for doctor in doctors] == ["lek. dent. Ewa Lis", "lek. med. Anna Nowak"]
    assert doctors[0] == {
        "doctorId": str(LIS),
        "name": "lek. dent. Ewa Lis",
        "pwz": "4063352",
        "languages": ["pl", "uk"],
        "services": [
            {"serviceId": str(INTERNIST), "name": "Internista", "nameEn": "Internist"},
            {"serviceId": str(DENTIST), "name": "Stomatolog", "nameEn": "Dentist"},
        ],
    }


async def test_given_a_doctor_without_a_day_when_listed_then_without_services(shown: House) -> None:
    new = AddDoctor(doctor_id=UUID(int=33), name="dr Adam Bez", pwz="5425740", languages=("pl",))
    outcome = await shown.decider.execute(ADD_DOCTOR, new, CONTEXT)
    await project(shown.state.views, await shown.store.tail(outcome.positions[0] - 1, 1))
    doctors = (await shown.client.get("/catalogue/doctors")).json()["items"]
    assert (doctors[0]["name"], doctors[0]["services"]) == ("dr Adam Bez", [])


async def test_given_a_service_for_another_level_when_listed_then_it_is_there_with_its_levels(
    shown: House,
) -> None:
    locked = replace(DENTISTS_VISIT, service_id=UUID(int=13), name="Chirurg", levels=(Level.FULL,))
    outcome = await shown.decider.execute(ADD_SERVICE, locked, CONTEXT)
    await project(shown.state.views, await shown.store.tail(outcome.positions[0] - 1, 1))
    services = (await shown.client.get("/catalogue/services")).json()["items"]
    assert (services[0]["name"], services[0]["levels"]) == ("Chirurg", ["full"])


@pytest.mark.parametrize(
    ("path", "filters", "found"),
    [
        ("services", {"kind": "dentistry"}, ["Stomatolog"]),
        ("services", {"kind": "vaccination"}, []),
        ("facilities", {"city": "Kraków"}, ["Zdrovia Kazimierz"]),
        ("facilities", {"city": "kraków"}, []),
        ("facilities", {"serviceId": str(INTERNIST)}, ["Zdrovia Kazimierz"]),
        (
            "facilities",
            {"serviceId": str(DENTIST), "city": "Warszawa"},
            ["Zdrovia Mokotów", "Zdrovia Ochota"],
        ),
        ("facilities", {"serviceId": str(INTERNIST), "city": "Warszawa"}, []),
        ("doctors", {"serviceId": str(INTERNIST)}, ["lek. dent. Ewa Lis"]),
        ("doctors", {"serviceId": str(DENTIST)}, ["lek. dent. Ewa Lis", "lek. med. Anna Nowak"]),
        ("doctors", {"city": "Warszawa"}, ["lek. med. Anna Nowak"]),
        ("doctors", {"city": "Warszawa", "serviceId": str(INTERNIST)}, []),
        ("doctors", {"facilityId": str(KRAKOW)}, ["lek. dent. Ewa Lis"]),
        ("doctors", {"facilityId": str(KRAKOW), "city": "Warszawa"}, []),
        ("doctors", {"language": "uk"}, ["lek. dent. Ewa Lis"]),
        ("doctors", {"language": "de"}, []),
        ("doctors", {"language": "en", "city": "Warszawa"}, ["lek. med. Anna Nowak"]),
    ],
)
async def test_given_filters_when_listed_then_only_what_fits(
    shown: House, path: str, filters: dict[str, str], found: list[str]
) -> None:
    answer = await shown.client.get(f"/catalogue/{path}", params=filters)
    assert [item["name"] for item in answer.json()["items"]] == found


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("services", {"kind": "magic"}),
        ("services", {"city": "Kraków"}),
        ("facilities", {"city": "\0"}),
        ("facilities", {"serviceId": "x"}),
        ("doctors", {"language": "polish"}),
        ("doctors", {"limit": "0"}),
    ],
)
async def test_given_a_filter_that_cannot_be_when_listed_then_422_names_it(
    shown: House, path: str, query: dict[str, str]
) -> None:
    answer = await shown.client.get(f"/catalogue/{path}", params=query)
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == list(query)


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
