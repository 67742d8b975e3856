"""Is an account its owner's: sessions, addresses, lost passwords? ("Account and identity")"""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from portal_faults.running import eventually

from .browser import Patient, field_codes, refused
from .conftest import Address, Arrive, SignUp
from .people import Typed

pytestmark = pytest.mark.connected

NOBODYS = "00000000-0000-4000-8000-000000000000"
NEW_PASSWORD = "nine slow badgers under snow"


async def test_given_two_browsers_when_sessions_are_listed_then_one_is_this_one_and_the_other_can_be_ended(
    arrive: Arrive, patient: Patient
) -> None:
    here, there = patient.browser, arrive()
    there.headers["User-Agent"] = "Mozilla/5.0 (a library's computer)"
    assert (await there.sign_in(patient.person.email, patient.person.password)).status_code == 201

    sessions = await here.items("/api/sessions")

    assert len(sessions) == 2
    [other] = [session for session in sessions if not session["current"]]
    assert other["userAgent"] == "Mozilla/5.0 (a library's computer)"
    assert there.cookies["portal"] not in json.dumps(sessions)
    assert (await here.delete(f"/api/sessions/{other['id']}")).status_code == 204

    async def over() -> bool:
        return (await there.get("/api/me")).status_code == 401

    # Another process may have remembered the session, for five seconds at most.
    await eventually(over, "the other browser is signed out", within=10)
    assert [session["current"] for session in await here.items("/api/sessions")] == [True]


async def test_given_anothers_session_when_ended_then_it_looks_as_if_there_were_none(sign_up: SignUp) -> None:
    one, other = await sign_up(), await sign_up()
    [theirs] = await other.browser.items("/api/sessions")
    for session_id in (theirs["id"], NOBODYS):
        assert refused(await one.browser.delete(f"/api/sessions/{session_id}")) == (404, "session-unknown")
    assert (await other.browser.get("/api/me")).status_code == 200


async def test_given_the_current_session_when_ended_by_its_id_then_signed_out(patient: Patient) -> None:
    [mine] = await patient.browser.items("/api/sessions")
    assert (await patient.browser.delete(f"/api/sessions/{mine['id']}")).status_code == 204
    assert (await patient.browser.get("/api/me")).status_code == 401


async def test_given_a_lost_password_when_the_link_is_used_then_the_new_one_opens_and_every_session_is_over(
    address: Address, arrive: Arrive, patient: Patient, typed: Typed
) -> None:
    typed.texts.add(NEW_PASSWORD)
    visitor, email = arrive(), patient.person.email
    known = await visitor.post("/api/password-resets", json={"email": email})
    unknown = await visitor.post("/api/password-resets", json={"email": typed.person().email})
    assert known.status_code == unknown.status_code == 202
    assert known.content == unknown.content

    token = await linked(address, email, "password-reset")
    weak = await visitor.post(f"/api/password-resets/{token}", json={"password": "passwordpassword"})
    assert field_codes(weak) == {"/password": "password-weak"}
    reset = await visitor.post(f"/api/password-resets/{token}", json={"password": NEW_PASSWORD})

    assert reset.status_code in {200, 204}, reset.text
    assert (await patient.browser.get("/api/me")).status_code == 401
    assert refused(await arrive().sign_in(email, patient.person.password)) == (401, "sign-in-failed")
    assert (await arrive().sign_in(email, NEW_PASSWORD)).status_code == 201
    for used in (token, "x" * len(token)):
        again = await visitor.post(f"/api/password-resets/{used}", json={"password": NEW_PASSWORD})
        assert refused(again) == (410, "link-expired")


async def test_given_a_new_account_when_the_link_in_the_mail_is_opened_then_the_address_is_confirmed(
    address: Address, arrive: Arrive, patient: Patient
) -> None:
    me = (await patient.browser.get("/api/me")).json()
    assert me["emailConfirmed"] is False
    assert me["capabilities"]["book-appointments"], "an address not confirmed yet blocks nothing"
    token = await linked(address, patient.person.email, "email-confirmation")
    # The link may be opened on a telephone where nobody is signed in.
    assert (await arrive().post(f"/api/email-confirmations/{token}")).status_code in {200, 204}
    assert (await patient.browser.get("/api/me")).json()["emailConfirmed"] is True
    assert refused(await arrive().post(f"/api/email-confirmations/{token}x")) == (410, "link-expired")


async def test_given_a_signed_in_patient_when_the_password_is_changed_then_the_other_sessions_are_over(
    arrive: Arrive, patient: Patient, typed: Typed
) -> None:
    typed.texts.add(NEW_PASSWORD)
    here, there, person = patient.browser, arrive(), patient.person
    assert (await there.sign_in(person.email, person.password)).status_code == 201
    old_cookie = here.cookies["portal"]

    wrong = await here.post("/api/me/password", json=passwords("not the old one", NEW_PASSWORD))
    assert refused(wrong) == (403, "password-wrong")
    weak = await here.post("/api/me/password", json=passwords(person.password, "short"))
    assert "password-weak" in field_codes(weak).values()
    changed = await here.post("/api/me/password", json=passwords(person.password, NEW_PASSWORD))

    assert changed.status_code == 204, changed.text
    assert (await here.get("/api/me")).status_code == 200
    assert here.cookies["portal"] != old_cookie
    thief = arrive()
    thief.cookies.set("portal", old_cookie)
    assert (await thief.get("/api/me")).status_code == 401
    assert (await there.get("/api/me")).status_code == 401
    assert (await arrive().sign_in(person.email, NEW_PASSWORD)).status_code == 201


async def test_given_a_profile_when_changed_then_it_is_shown_and_survives_signing_in_again(
    arrive: Arrive, patient: Patient, typed: Typed
) -> None:
    new = {"phone": "+48600123987", "familyName": f"Nowa-{patient.person.family_name}", "language": "en"}
    typed.texts |= {new["phone"], new["familyName"]}
    changed = await patient.browser.patch("/api/me", json=new)
    assert changed.status_code == 200, changed.text
    other = arrive()
    assert (await other.sign_in(patient.person.email, patient.person.password)).status_code == 201
    me = (await other.get("/api/me")).json()
    assert {name: me[name] for name in new} == new
    assert me["givenName"] == patient.person.given_name
    for wrong, pointer in (({"phone": "12"}, "/phone"), ({"language": "de"}, "/language")):
        assert list(field_codes(await patient.browser.patch("/api/me", json=wrong))) == [pointer]


async def test_given_a_new_address_when_confirmed_from_both_then_it_signs_in_and_the_old_one_no_more(
    address: Address, arrive: Arrive, patient: Patient, typed: Typed
) -> None:
    browser, person, new = patient.browser, patient.person, typed.person().email
    wrong = await browser.patch("/api/me", json={"email": new, "currentPassword": "not this one"})
    assert refused(wrong) == (403, "password-wrong")
    asked = await browser.patch("/api/me", json={"email": new, "currentPassword": person.password})
    assert asked.status_code == 200, asked.text
    assert (asked.json()["email"], asked.json()["newEmail"]) == (person.email, new)

    first = await linked(address, new, "email-confirmation")
    assert (await arrive().post(f"/api/email-confirmations/{first}")).status_code == 200
    assert (await browser.get("/api/me")).json()["email"] == person.email, "one of the two is not enough"

    async def arrived() -> str | None:
        # The old address also got the link of the sign-up, which is another one.
        for mail in await mails(address, person.email):
            if "Zmiana adresu" in mail["subject"]:
                found = re.search(r"/email-confirmation#([\w-]+)", mail["text"])
                return found and found[1]
        return None

    second = await eventually(arrived, "the mail to the old address")
    assert (await arrive().post(f"/api/email-confirmations/{second}")).status_code == 200

    me = (await browser.get("/api/me")).json()
    assert (me["email"], me["newEmail"], me["emailConfirmed"]) == (new, None, True)
    assert (await arrive().sign_in(new, person.password)).status_code == 201
    assert refused(await arrive().sign_in(person.email, person.password)) == (401, "sign-in-failed")


async def test_given_many_wrong_guesses_when_the_owner_comes_then_the_guesser_waits_and_the_owner_does_not(
    arrive: Arrive, patient: Patient
) -> None:
    guesser = arrive()
    answers = []
    for n in range(30):
        answers.append(await guesser.sign_in(patient.person.email, f"wrong guess number {n}"))
        if answers[-1].status_code == 429:
            break
    assert refused(answers[0]) == (401, "sign-in-failed")
    assert refused(answers[-1]) == (429, "too-many-attempts")
    assert int(answers[-1].headers["Retry-After"]) > 0
    # Whoever is signed in stays so, and others from the same address are not kept out.
    assert (await patient.browser.get("/api/me")).status_code == 200


async def linked(address: Address, email: str, page: str) -> str:
    """Return the token of the newest link of a kind in the mails to an address."""

    async def arrived() -> str | None:
        for mail in await mails(address, email):
            if found := re.search(rf"{re.escape(address.url)}/{page}#([\w-]+)", mail["text"]):
                return found[1]
        return None

    return await eventually(arrived, f"the mail with the link to {page}")


async def mails(address: Address, email: str) -> list[dict[str, Any]]:
    """Return the mails to an address, the newest first."""
    async with httpx.AsyncClient(base_url=address.mailbox, trust_env=False) as mailbox:
        listed = (await mailbox.get("/mails", params={"to": email})).json()["items"]
        return [(await mailbox.get(f"/mails/{mail['id']}")).json() for mail in listed]


def passwords(current: str, new: str) -> dict[str, str]:
    return {"currentPassword": current, "newPassword": new}
