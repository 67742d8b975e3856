"""Can a person find, hold, book, move and cancel a visit, and is each no a clear one? ("Search and book")"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from portal_faults.running import RunningPortal

from .browser import WARSAW, Browser, Patient, apart, field_codes, refused
from .conftest import SignUp

pytestmark = pytest.mark.connected

NOBODYS = "00000000-0000-4000-8000-000000000000"
CITIES = ("Warszawa", "Kraków", "Gdańsk")


async def test_given_the_kinds_of_services_when_one_is_chosen_then_only_its_services_are_listed(
    patient: Patient,
) -> None:
    services = await patient.browser.items("/api/catalogue/services")
    kinds = Counter(service["kind"] for service in services)
    assert kinds.keys() == {
        "consultation",
        "dentistry",
        "examination",
        "vaccination",
        "rehabilitation",
        "occupational-medicine",
    }
    for kind, number in kinds.items():
        of_kind = await patient.browser.items("/api/catalogue/services", kind=kind)
        assert {service["kind"] for service in of_kind} == {kind}
        assert len(of_kind) == number


async def test_given_the_catalogue_when_filtered_then_every_place_and_doctor_fits(patient: Patient) -> None:
    browser = patient.browser
    assert {place["city"] for place in await browser.items("/api/catalogue/facilities")} == set(CITIES)
    [kept] = {place["city"] for place in await browser.items("/api/catalogue/facilities", city="Kraków")}
    assert kept == "Kraków"
    service = (await browser.services())["Dentist"]
    dentists = await browser.items("/api/catalogue/doctors", serviceId=service, language="en")
    assert dentists
    assert all("en" in doctor["languages"] for doctor in dentists)
    offered = {slot["doctor"]["id"] for slot in await browser.slots("Dentist", language="en")}
    assert offered <= {doctor["doctorId"] for doctor in dentists}


async def test_given_each_preference_when_searching_then_every_slot_fits_it(patient: Patient) -> None:
    browser = patient.browser
    everything = await browser.slots("Internist")
    doctors = {d["doctorId"]: d for d in await browser.items("/api/catalogue/doctors")}
    one = everything[len(everything) // 2]
    asked: list[tuple[dict[str, str], Any]] = [
        ({"city": "Gdańsk"}, lambda slot: slot["facility"]["city"] == "Gdańsk"),
        ({"facilityId": one["facility"]["id"]}, lambda slot: slot["facility"]["id"] == one["facility"]["id"]),
        ({"doctorId": one["doctor"]["id"]}, lambda slot: slot["doctor"]["id"] == one["doctor"]["id"]),
        ({"language": "en"}, lambda slot: "en" in doctors[slot["doctor"]["id"]]["languages"]),
        ({"partOfDay": "morning"}, lambda slot: hour(slot) < 12),
        ({"partOfDay": "afternoon"}, lambda slot: 12 <= hour(slot) < 17),
        ({"partOfDay": "evening"}, lambda slot: hour(slot) >= 17),
        ({"mode": one["mode"]}, lambda slot: slot["mode"] == one["mode"]),
        ({"to": str(day(one))}, lambda slot: day(slot) <= day(one)),
        ({"from": str(day(one))}, lambda slot: day(slot) >= day(one)),
    ]
    for preferences, fits in asked:
        found = await browser.slots("Internist", **preferences)
        assert found == [slot for slot in everything if fits(slot)], preferences
        assert found, preferences


@pytest.mark.parametrize("city", CITIES)
@pytest.mark.parametrize(
    "service",
    ["Internist", "Paediatrician", "Dentist", "Gynaecologist", "Dermatologist", "Cardiologist"],
)
async def test_given_a_city_when_a_usual_service_is_searched_then_there_are_dates(
    bystander: Browser, city: str, service: str
) -> None:
    assert await bystander.slots(service, city=city)


async def test_given_a_doctor_at_two_addresses_when_searched_then_both_stand_side_by_side(
    patient: Patient,
) -> None:
    slots = await patient.browser.slots("Internist", city="Warszawa")
    pairs = [
        (here["doctor"]["name"], here["facility"]["street"], there["facility"]["street"])
        for here, there in pairwise(slots)
        if (here["startsAt"], here["doctor"]["id"]) == (there["startsAt"], there["doctor"]["id"])
    ]
    assert ("lek. med. Anna Nowak", "ul. 1 Sierpnia 8", "ul. Domaniewska 41B") in pairs


async def test_given_a_chosen_slot_when_held_then_the_summary_says_all_and_nobody_else_gets_it(
    sign_up: SignUp,
) -> None:
    one, other = (await sign_up()).browser, (await sign_up()).browser
    slot = (await one.slots("Dermatologist", city="Kraków"))[0]

    held = await hold(one, slot)

    assert held.status_code == 201, held.text
    summary = held.json()["slot"]
    assert (summary["slotId"], summary["startsAt"]) == (slot["slotId"], slot["startsAt"])
    assert {"price", "covered", "preparation", "preparationEn"} <= summary["service"].keys()
    assert summary["facility"]["phone"].startswith("+48")
    lasts = datetime.fromisoformat(held.json()["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < lasts <= timedelta(minutes=5)
    assert (await hold(one, slot)).json()["holdId"] == held.json()["holdId"]

    other.position = one.position
    assert slot["slotId"] not in ids(await other.slots("Dermatologist", city="Kraków"))
    assert slot["slotId"] in ids(await one.slots("Dermatologist", city="Kraków"))
    assert refused(await hold(other, slot)) == (409, "slot-taken")
    assert refused(await other.book(slot["slotId"])) == (409, "slot-taken")

    booked = await one.book(slot["slotId"], holdId=held.json()["holdId"])
    assert booked.status_code == 201, booked.text
    assert booked.json()["slotId"] == slot["slotId"]


async def test_given_a_hold_when_given_back_then_others_may_have_it_and_it_books_nothing(
    sign_up: SignUp,
) -> None:
    one, other = (await sign_up()).browser, (await sign_up()).browser
    slot = (await one.slots("Gynaecologist"))[-1]
    held = (await hold(one, slot)).json()["holdId"]
    assert refused(await other.delete(f"/api/holds/{held}")) == (404, "hold-unknown")
    for _ in range(2):
        assert (await one.delete(f"/api/holds/{held}")).status_code == 204
    assert refused(await one.book(slot["slotId"], holdId=held)) == (410, "hold-expired")
    assert refused(await one.book(slot["slotId"], holdId=NOBODYS)) == (410, "hold-expired")
    other.position = one.position
    assert slot["slotId"] in ids(await other.slots("Gynaecologist"))
    assert (await other.book(slot["slotId"])).status_code == 201
    # Lapsed comes before taken: what helps is a new search.
    assert refused(await one.book(slot["slotId"], holdId=held)) == (410, "hold-expired")


async def test_given_two_holds_when_a_third_slot_is_chosen_then_hold_limit(patient: Patient) -> None:
    slots = apart(await patient.browser.slots("Paediatrician"))[-3:]
    assert [(await hold(patient.browser, slot)).status_code for slot in slots[:2]] == [201, 201]
    assert refused(await hold(patient.browser, slots[2])) == (409, "hold-limit")
    assert (await patient.browser.book(slots[0]["slotId"])).status_code == 201
    # A booking ends the hold on its slot: there is room for another.
    assert (await hold(patient.browser, slots[2])).status_code == 201


async def test_given_one_address_held_when_another_patient_wants_the_other_then_slot_taken(
    sign_up: SignUp,
) -> None:
    one, other = (await sign_up()).browser, (await sign_up()).browser
    here, there = two_addresses(await one.slots("Internist", city="Warszawa"))
    assert (await hold(one, here)).status_code == 201
    other.position = one.position
    assert there["slotId"] not in ids(await other.slots("Internist", city="Warszawa"))
    assert refused(await other.book(there["slotId"])) == (409, "slot-taken")
    # One's own hold is in nobody's way but others'.
    assert (await one.book(there["slotId"])).status_code == 201


async def test_given_a_slot_unknown_taken_or_at_ones_own_visit_when_held_then_refused(
    sign_up: SignUp,
) -> None:
    one, other = (await sign_up()).browser, (await sign_up()).browser
    first, second = two_doctors_at_once(await one.slots("Internist"))
    assert refused(await hold(one, {"slotId": NOBODYS})) == (404, "slot-unknown")
    assert (await one.book(first["slotId"])).status_code == 201
    assert refused(await hold(other, first)) == (409, "slot-taken")
    assert refused(await hold(one, second)) == (409, "patient-busy")


async def test_given_a_booked_service_when_it_is_booked_again_then_warned_and_not_refused(
    patient: Patient,
) -> None:
    slots = apart(await patient.browser.slots("Cardiologist"))[-3:]
    first = (await patient.browser.book(slots[0]["slotId"])).json()
    assert first["warnings"] == []
    warning = [{"code": "same-service-booked", "appointmentId": first["appointmentId"]}]
    assert (await hold(patient.browser, slots[1])).json()["warnings"] == warning
    assert (await patient.browser.book(slots[2]["slotId"])).json()["warnings"] == warning


async def test_given_a_visit_when_cancelled_then_it_leaves_the_timeline_and_its_time_is_free(
    sign_up: SignUp,
) -> None:
    one, other = (await sign_up()).browser, (await sign_up()).browser
    slot = (await one.slots("Ophthalmologist"))[-1]
    booked = (await one.book(slot["slotId"])).json()
    assert booked["cancellable"]
    assert refused(await cancel(other, booked)) == (404, "appointment-unknown")

    cancelled = await cancel(one, booked)

    assert cancelled.status_code == 200, cancelled.text
    assert (cancelled.json()["status"], cancelled.json()["cancellable"]) == ("cancelled", False)
    assert await one.timeline() == []
    assert [item["status"] for item in await one.items("/api/appointments")] == ["cancelled"]
    assert await one.items("/api/appointments", status="booked") == []
    assert (await cancel(one, booked)).json() == cancelled.json()
    assert refused(await one.move(booked["appointmentId"], slot["slotId"])) == (409, "appointment-cancelled")
    other.position = one.position
    assert slot["slotId"] in ids(await other.slots("Ophthalmologist"))
    assert (await other.book(slot["slotId"])).status_code == 201


async def test_given_a_visit_when_moved_then_the_old_time_is_free_the_new_one_taken_and_it_is_the_same_visit(
    sign_up: SignUp,
) -> None:
    one, other = (await sign_up()).browser, (await sign_up()).browser
    old, new = apart(await one.slots("Ophthalmologist"))[2:4]
    booked = (await one.book(old["slotId"])).json()
    [before] = await one.items("/api/timeline")
    assert refused(await other.move(booked["appointmentId"], new["slotId"])) == (404, "appointment-unknown")

    moved = await one.move(booked["appointmentId"], new["slotId"], key="once")

    assert moved.status_code == 200, moved.text
    assert (moved.json()["appointmentId"], moved.json()["slotId"]) == (
        booked["appointmentId"],
        new["slotId"],
    )
    assert (await one.move(booked["appointmentId"], new["slotId"], key="once")).json() == moved.json()
    [after] = await one.items("/api/timeline")
    assert (after["id"], after["appointmentId"]) == (before["id"], before["appointmentId"])
    assert (after["startsAt"], before["startsAt"]) == (new["startsAt"], old["startsAt"])
    assert [item["slotId"] for item in await one.items("/api/appointments")] == [new["slotId"]]
    other.position = one.position
    free = ids(await other.slots("Ophthalmologist"))
    assert old["slotId"] in free
    assert new["slotId"] not in free
    assert (await other.book(old["slotId"])).status_code == 201


async def test_given_a_slot_that_cannot_be_had_when_moving_there_then_refused_and_nothing_changed(
    sign_up: SignUp,
) -> None:
    one, other = (await sign_up()).browser, (await sign_up()).browser
    slots = apart(await one.slots("Dermatologist"))
    mine, theirs = slots[-1], slots[-2]
    booked = (await one.book(mine["slotId"])).json()
    assert (await other.book(theirs["slotId"])).status_code == 201
    another_service = (await one.slots("Cardiologist"))[0]["slotId"]
    visit = booked["appointmentId"]
    assert refused(await one.move(visit, theirs["slotId"])) == (409, "slot-taken")
    assert refused(await one.move(visit, NOBODYS)) == (404, "slot-unknown")
    assert refused(await one.move(visit, another_service)) == (422, "service-differs")
    assert refused(await one.move(visit, slots[-3]["slotId"], holdId=NOBODYS)) == (410, "hold-expired")
    no_key = await one.post(f"/api/appointments/{visit}/move", json={"slotId": NOBODYS})
    assert refused(no_key) == (422, "idempotency-key-missing")
    [item] = await one.items("/api/timeline")
    assert item["startsAt"] == mine["startsAt"]


async def test_given_two_visits_when_one_is_moved_onto_the_other_then_patient_busy(patient: Patient) -> None:
    browser = patient.browser
    first, second = two_doctors_at_once(await browser.slots("Internist"))
    elsewhere = apart([s for s in await browser.slots("Internist") if day(s) != day(first)])[0]
    assert (await browser.book(first["slotId"])).status_code == 201
    other = (await browser.book(elsewhere["slotId"])).json()
    assert refused(await browser.move(other["appointmentId"], second["slotId"])) == (409, "patient-busy")


async def test_given_ten_visits_when_one_is_moved_or_cancelled_then_there_is_room(patient: Patient) -> None:
    browser = patient.browser
    slots = apart(await browser.slots("Telephone consultation"))[-12:]
    booked = [(await browser.book(slot["slotId"])).json() for slot in slots[:10]]
    assert refused(await browser.book(slots[10]["slotId"])) == (409, "booking-limit")
    assert (await browser.move(booked[0]["appointmentId"], slots[10]["slotId"])).status_code == 200
    assert (await cancel(browser, booked[1])).status_code == 200
    assert (await browser.book(slots[11]["slotId"])).status_code == 201
    assert len(await browser.timeline()) == 10


async def test_given_a_cancellation_and_a_move_at_once_then_one_order_of_events(
    portal: RunningPortal, patient: Patient
) -> None:
    old, new = apart(await patient.browser.slots("Dermatologist"))[:2]
    booked = (await patient.browser.book(old["slotId"])).json()
    cancelled, moved = await asyncio.gather(
        cancel(patient.browser, booked), patient.browser.move(booked["appointmentId"], new["slotId"])
    )
    assert cancelled.status_code == 200
    assert moved.status_code == 200 or refused(moved) == (409, "appointment-cancelled")
    types = [
        row["type"]
        for row in await portal.query(
            "booking",
            "select type from event where data::json->>'appointmentId' = $1 order by position",
            booked["appointmentId"],
        )
    ]
    expected = ["AppointmentMoved"] if moved.status_code == 200 else []
    assert types == ["AppointmentBooked", *expected, "AppointmentCancelled"]


async def test_given_an_appointment_that_the_desk_made_when_cancelled_or_moved_then_the_phone_is_told(
    full_patient: Browser,
) -> None:
    desks = next(
        item
        for item in await full_patient.items("/api/appointments", status="booked")
        if item["source"] == "desk"
    )
    assert not desks["cancellable"]
    for answer in (
        await cancel(full_patient, desks),
        await full_patient.move(desks["appointmentId"], NOBODYS),
    ):
        assert refused(answer) == (409, "not-booked-here")
        assert desks["facility"]["phone"] in answer.json()["detail"]


async def test_given_a_visit_that_is_over_when_cancelled_or_moved_then_already_started(
    full_patient: Browser,
) -> None:
    past = next(
        item
        for item in await full_patient.items("/api/appointments", status="completed")
        if item["source"] == "portal"
    )
    assert refused(await cancel(full_patient, past)) == (409, "already-started")
    slot = (await full_patient.slots("Internist"))[0]
    assert refused(await full_patient.move(past["appointmentId"], slot["slotId"])) == (409, "already-started")


async def test_given_a_full_account_when_more_than_ten_are_booked_then_there_is_no_limit(
    full_patient: Browser,
) -> None:
    booked = []
    for slot in apart(await full_patient.slots("Telephone consultation"))[-30:]:
        answer = await full_patient.book(slot["slotId"])
        if answer.status_code == 201:
            booked.append(answer.json())
        if len(booked) == 11:
            break
    assert len(booked) == 11
    for visit in booked:
        assert (await cancel(full_patient, visit)).status_code == 200


async def test_given_a_service_of_the_full_level_when_a_basic_account_wants_it_then_level_too_low(
    patient: Patient, full_patient: Browser
) -> None:
    browser = patient.browser
    locked = [s for s in await browser.items("/api/catalogue/services") if s["levels"] == ["full"]]
    assert locked
    service = next(s for s in locked if not s["referralRequired"])
    slots = await browser.slots(service["nameEn"])
    for answer in (await hold(browser, slots[-1]), await browser.book(slots[-1]["slotId"])):
        assert refused(answer) == (403, "level-too-low")
        assert "bank" in answer.json()["unlockWays"]
    booked = await full_patient.book(slots[-1]["slotId"])
    assert booked.status_code == 201, booked.text
    assert (await cancel(full_patient, booked.json())).status_code == 200


async def test_given_a_service_on_referral_when_searched_or_booked_without_then_it_says_so(
    portal: RunningPortal, patient: Patient
) -> None:
    services = await patient.browser.items("/api/catalogue/services")
    service = next(s["serviceId"] for s in services if s["referralRequired"])
    search = await patient.browser.get("/api/slots", params={"serviceId": service})
    assert refused(search) == (409, "referral-required")
    [row] = await portal.query(
        "booking",
        "select slot_id::text from free_slots_offer where service_id = $1::text::uuid and starts_at > now()"
        " order by starts_at limit 1",
        service,
    )
    slot = {"slotId": row["slot_id"]}
    for answer in (await hold(patient.browser, slot), await patient.browser.book(slot["slotId"])):
        assert refused(answer) in {(409, "referral-required"), (403, "level-too-low")}


async def test_given_a_way_that_the_service_is_not_offered_in_then_mode_not_offered(patient: Patient) -> None:
    browser = patient.browser
    service = next(s for s in await browser.items("/api/catalogue/services") if s["nameEn"] == "Dentist")
    assert "video" not in service["modes"]
    search = await browser.get("/api/slots", params={"serviceId": service["serviceId"], "mode": "video"})
    assert refused(search) == (422, "mode-not-offered")
    slot = (await browser.slots("Dentist"))[0]["slotId"]
    assert refused(await browser.book(slot, mode="video")) == (422, "mode-not-offered")
    assert (await browser.book(slot, mode="in-person")).status_code == 201


async def test_given_no_such_service_when_searched_then_service_unknown(patient: Patient) -> None:
    answer = await patient.browser.get("/api/slots", params={"serviceId": NOBODYS})
    assert refused(answer) == (404, "service-unknown")


@pytest.mark.parametrize("preference", ["partOfDay=night", "language=klingon", "mode=", "facilityId=x"])
async def test_given_a_preference_that_makes_no_sense_when_searching_then_it_is_named(
    bystander: Browser, preference: str
) -> None:
    service = (await bystander.services())["Internist"]
    answer = await bystander.get(f"/api/slots?serviceId={service}&{preference}")
    assert field_codes(answer)
    assert answer.json()["errors"][0]["parameter"] == preference.partition("=")[0]


async def test_given_the_network_when_looked_at_then_some_days_are_full(portal: RunningPortal) -> None:
    [row] = await portal.query(
        "booking",
        """
        select count(*) as full_days from (
            select o.doctor_id, (o.starts_at at time zone o.zone)::date as day,
                bool_and(exists (
                    select from free_slots_busy b where b.doctor_id = o.doctor_id
                    and b.starts_at < o.ends_at and b.ends_at > o.starts_at)) as taken
            from free_slots_offer o where o.starts_at > now() + interval '1 day'
            group by 1, 2
        ) days where taken
        """,
    )
    assert row["full_days"] >= 3


async def hold(browser: Browser, slot: dict[str, Any]) -> Any:
    return await browser.post("/api/holds", json={"slotId": slot["slotId"]})


async def cancel(browser: Browser, appointment: dict[str, Any]) -> Any:
    return await browser.post(f"/api/appointments/{appointment['appointmentId']}/cancellation")


def ids(slots: list[dict[str, Any]]) -> set[str]:
    return {slot["slotId"] for slot in slots}


def hour(slot: dict[str, Any]) -> int:
    return datetime.fromisoformat(slot["startsAt"]).astimezone(WARSAW).hour


def day(slot: dict[str, Any]) -> Any:
    return datetime.fromisoformat(slot["startsAt"]).astimezone(WARSAW).date()


def two_addresses(slots: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return one doctor's offers of one time at two facilities, the last there are."""
    offers: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for slot in slots:
        offers.setdefault((slot["startsAt"], slot["doctor"]["id"]), []).append(slot)
    here, there, *_ = [pair for pair in offers.values() if len(pair) > 1][-1]
    return here, there


def two_doctors_at_once(slots: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return two doctors' offers of one time, the last there are."""
    by_start: dict[str, dict[str, dict[str, Any]]] = {}
    for slot in slots:
        by_start.setdefault(slot["startsAt"], {})[slot["doctor"]["id"]] = slot
    first, second, *_ = [list(found.values()) for found in by_start.values() if len(found) > 1][-1]
    return first, second
