"""Does every acknowledged booking survive what kills processes and connections, and count once?"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from portal_faults.running import RunningPortal, eventually
from portal_launcher.processes import is_alive
from portal_launcher.readiness import ask
from portal_launcher.run_file import ProcessRecord

from .browser import Browser, Patient, refused
from .conftest import SignUp, SlotsSoon
from .people import Typed

pytestmark = pytest.mark.connected


@pytest.fixture(autouse=True)
async def recovered(portal: RunningPortal, bystander: Browser) -> AsyncIterator[None]:
    """Begin when what the test before has hurt keeps up again, and leave it so."""
    await bystander.up_to_date(portal)
    yield
    await bystander.up_to_date(portal)


async def test_given_a_commit_not_published_yet_when_all_of_booking_is_killed_then_it_arrives_once(
    portal: RunningPortal, known_patient: Patient, slots_soon: SlotsSoon, typed: Typed
) -> None:
    browser = known_patient.browser
    [slot] = ids(await slots_soon())
    said_before = len(portal.said())
    # Stopped, not killed: the relay still owns the log, and nobody publishes in its place.
    worker = portal.hurt("booking-worker", signal.SIGSTOP)

    booked = await browser.book(slot, reason=typed.reason("Łzawienie"))

    assert booked.status_code == 201, booked.text
    [stored] = await portal.bookings(slot)
    [relay] = await portal.query("booking", "select published from relay")
    assert relay["published"] < stored["position"]
    assert event_ids(await portal.records("booking.events"), stored["id"]) == []
    app = portal.hurt("booking", signal.SIGKILL)
    portal.hurt("booking-worker", signal.SIGKILL)

    appointment = booked.json()["appointmentId"]
    await eventually(lambda: on_timeline(browser, appointment), "the timeline shows the appointment")
    await eventually(lambda: reborn(portal, app, worker), "the launcher started both again")
    await browser.up_to_date(portal)
    assert await browser.timeline() == [appointment]
    assert [item["appointmentId"] for item in await browser.items("/api/appointments")] == [appointment]
    assert event_ids(await portal.first_occurrences(), stored["id"]) == [str(stored["id"])]
    for name, dead in (("booking", app), ("booking-worker", worker)):
        assert f"{name} was ended by SIGKILL; starting it again" in portal.said()[said_before:]
        assert not is_alive(dead.identity)
        assert portal.record(name).restarts == dead.restarts + 1
    # Whoever books now does so on the state that survived.
    assert (await browser.book(slot)).json()["appointmentId"] == appointment


async def test_given_bookings_under_way_when_the_app_is_killed_then_repeats_find_what_was_acknowledged(
    portal: RunningPortal, sign_up: SignUp, slots_soon: SlotsSoon
) -> None:
    patients = [await sign_up() for _ in range(3)]
    wanted = [ids(await slots_soon(8)) for _ in patients]

    async def kill() -> ProcessRecord:
        await asyncio.sleep(0.05)
        return portal.hurt("booking", signal.SIGKILL)

    (statuses, appointments), dead = await asyncio.gather(insist(patients, wanted), kill())

    await eventually(lambda: reborn(portal, dead), "the launcher started it again")
    assert set(statuses) <= {201, 503}, statuses
    await exactly_once(portal, patients, wanted, appointments)


async def test_given_bookings_under_way_when_their_connections_are_cut_then_503_at_worst_and_nothing_lost(
    servers: Mapping[str, str], portal: RunningPortal, sign_up: SignUp, slots_soon: SlotsSoon
) -> None:
    patients = [await sign_up() for _ in range(4)]
    wanted = [ids(await slots_soon(9)) for _ in patients]

    (statuses, appointments), cut = await asyncio.gather(
        insist(patients, wanted), cut_connections(servers["PORTAL_TEST_DATABASE_URL"], portal, "booking")
    )

    assert cut > 10
    assert set(statuses) <= {201, 503}, statuses
    await exactly_once(portal, patients, wanted, appointments)


async def test_given_readers_when_the_connections_of_every_service_are_cut_then_503_at_worst(
    servers: Mapping[str, str], portal: RunningPortal, sign_up: SignUp
) -> None:
    patients = [await sign_up() for _ in range(3)]
    service = (await patients[0].browser.services())["Internist"]
    paths = ("/api/timeline", "/api/me", "/api/appointments", f"/api/slots?serviceId={service}")
    over = asyncio.Event()
    statuses: Counter[int] = Counter()

    async def read(browser: Browser, path: str) -> None:
        while not over.is_set():
            answer = await browser.get(path)
            statuses[answer.status_code] += 1
            if answer.status_code != 200:
                assert refused(answer)[0] == 503
                assert int(answer.headers["Retry-After"]) > 0

    reading = asyncio.gather(*(read(p.browser, path) for p in patients for path in paths))
    ended = await cut_connections(servers["PORTAL_TEST_DATABASE_URL"], portal, *portal.database_urls)
    over.set()
    await reading

    assert ended > 10
    assert set(statuses) <= {200, 503}, statuses

    async def calm() -> bool:
        answers = [await p.browser.get(path) for p in patients for path in paths]
        return all(answer.status_code == 200 and "Portal-Stale" not in answer.headers for answer in answers)

    await eventually(calm, "everything answers again")


async def test_given_people_when_every_process_is_killed_at_once_then_all_come_back_with_all_they_had(
    portal: RunningPortal, known_patient: Patient, slots_soon: SlotsSoon, typed: Typed
) -> None:
    browser = known_patient.browser
    slot, other = ids(await slots_soon(2))
    booked = await browser.book(slot, reason=typed.reason())
    assert booked.status_code == 201, booked.text

    dead = [portal.hurt(record.name, signal.SIGKILL) for record in portal.run().processes]

    await eventually(lambda: reborn(portal, *dead), "the launcher started every process again")
    appointment = booked.json()["appointmentId"]
    await eventually(lambda: on_timeline(browser, appointment), "the timeline shows the appointment")
    await browser.up_to_date(portal)
    assert await browser.timeline() == [appointment]
    assert (await browser.get("/api/me")).json()["patientId"] == known_patient.patient_id
    assert (await browser.book(other)).status_code == 201
    assert len(await browser.timeline()) == 2


async def test_given_a_dead_worker_of_the_gateway_when_asked_then_what_is_old_is_marked_and_catches_up(
    portal: RunningPortal, patient: Patient, slots_soon: SlotsSoon
) -> None:
    browser = patient.browser
    [slot] = ids(await slots_soon())
    portal.hurt("gateway-worker", signal.SIGSTOP)
    try:
        booked = await browser.book(slot)
        assert booked.status_code == 201
        stale = await browser.get("/api/timeline")
        assert stale.status_code == 200
        assert stale.headers["Portal-Stale"] == "true"
        assert stale.json()["items"] == []
    finally:
        portal.hurt("gateway-worker", signal.SIGCONT)
    appointment = booked.json()["appointmentId"]
    await eventually(lambda: on_timeline(browser, appointment), "the timeline catches up")
    await browser.up_to_date(portal)
    assert await browser.timeline() == [appointment]


async def test_given_a_portal_with_people_when_it_goes_down_and_up_then_data_and_session_are_there(
    portal: RunningPortal, known_patient: Patient, slots_soon: SlotsSoon, typed: Typed
) -> None:
    browser, person = known_patient.browser, known_patient.person
    first, second = ids(await slots_soon(2))
    reason = typed.reason()
    booked = await browser.book(first, reason=reason, key="before")
    assert booked.status_code == 201, booked.text
    timeline = await browser.items("/api/timeline")
    demo = (portal.state / "demo.json").read_text()

    portal.stop()
    with pytest.raises(httpx.ConnectError):
        await browser.get("/readyz")
    # Not in a thread: the launcher is told to die with the thread that started it.
    portal.start()
    await browser.up_to_date(portal)

    assert (await browser.get("/api/me")).json()["email"] == person.email
    assert await browser.items("/api/timeline") == timeline
    [appointment] = await browser.items("/api/appointments")
    assert appointment["reason"] == reason
    assert (portal.state / "demo.json").read_text() == demo
    assert (await browser.book(first, reason=reason, key="before")).json() == booked.json()
    assert (await browser.book(second)).status_code == 201
    assert len(await browser.timeline()) == 2
    assert (await browser.sign_in(person.email, person.password)).status_code == 201
    [stored] = await portal.bookings(first)
    assert event_ids(await portal.first_occurrences(), stored["id"]) == [str(stored["id"])]


async def on_timeline(browser: Browser, appointment: str) -> bool:
    """Tell whether an appointment is there; services that are just being started again are not a failure."""
    answer = await browser.get("/api/timeline")
    assert answer.status_code in {200, 503}, answer.text
    return answer.status_code == 200 and appointment in [i["appointmentId"] for i in answer.json()["items"]]


async def cut_connections(server: str, portal: RunningPortal, *services: str) -> int:
    """End every connection of some services, again and again; return how many were ended."""
    connection = await asyncpg.connect(server)
    roles = [urlsplit(portal.database_urls[service]).username for service in services]
    ended = 0
    try:
        for _ in range(10):
            ended += await connection.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = any ($1)",
                roles,
            )
            await asyncio.sleep(0.03)
    finally:
        await connection.close()
    return ended


async def reborn(portal: RunningPortal, *dead: ProcessRecord) -> bool:
    """Tell whether other processes have taken the place of these, and all are ready."""
    living = {record.name: record for record in portal.run().processes}
    for old in dead:
        if living[old.name].pid == old.pid or not (await ask(old.port or 0)).ready:
            return False
    return True


def ids(slots: Sequence[dict[str, Any]]) -> list[str]:
    """Return the slots' ids."""
    return [slot["slotId"] for slot in slots]


async def insist(
    patients: Sequence[Patient], wanted: Sequence[Sequence[str]]
) -> tuple[Counter[int], dict[str, str]]:
    """Book everything, each with one key until it is accepted; return the statuses and what was booked."""
    statuses: Counter[int] = Counter()
    appointments: dict[str, str] = {}

    async def one(browser: Browser, slot: str) -> None:
        async def attempt() -> bool:
            answer = await browser.book(slot, key=f"insist {slot}")
            statuses[answer.status_code] += 1
            if answer.status_code == 503:
                refused(answer)
                assert int(answer.headers["Retry-After"]) > 0
                return False
            assert answer.status_code == 201, answer.text
            appointments[slot] = answer.json()["appointmentId"]
            return True

        await eventually(attempt, "a booking is accepted")

    jobs = [one(p.browser, slot) for p, slots in zip(patients, wanted, strict=True) for slot in slots]
    await asyncio.gather(*jobs)
    return statuses, appointments


async def exactly_once(
    portal: RunningPortal,
    patients: Sequence[Patient],
    wanted: Sequence[Sequence[str]],
    appointments: dict[str, str],
) -> None:
    """See that each booking is one event in the store, one on Kafka and one item of the right timeline."""
    for patient, slots in zip(patients, wanted, strict=True):
        expected = sorted(appointments[slot] for slot in slots)

        async def shown(patient: Patient = patient, expected: list[str] = expected) -> bool:
            answer = await patient.browser.get("/api/timeline", params={"limit": 100})
            return answer.status_code == 200 and len(answer.json()["items"]) >= len(expected)

        await eventually(shown, "the timeline shows every booking")
        assert sorted(map(str, await patient.browser.timeline())) == expected
        for slot in slots:
            assert len(await portal.bookings(slot)) == 1
    on_kafka = Counter(
        appointment
        for record in await portal.first_occurrences()
        for appointment in appointments.values()
        if appointment.encode() in record.value
    )
    assert on_kafka == dict.fromkeys(appointments.values(), 1)


def event_ids(records: Sequence[Any], wanted: object) -> list[str]:
    """Return the records' ids that equal `wanted`, as often as they are there."""
    ids = [dict(record.headers)["ce_id"].decode() for record in records]
    return [found for found in ids if found == str(wanted)]
