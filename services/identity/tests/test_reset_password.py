"""Does a lost password get another, by its mailbox alone and only once?"""

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from portal_events.identity import PasswordChange, PasswordChanged
from portal_eventstore.decision import StoreUnavailable
from portal_eventstore.execute import Decider

from .conftest import text_of, token_of

Identity = Any
"""The fixtures' service (conftest.py)."""

EMAIL = "Jan.Kowalski@example.org"
PASSWORD = "zielony parasol na dachu"
NEW = "siedem czapek na kołku"


async def asked(identity: Identity, email: str = EMAIL) -> str:
    """Ask for a reset and return the token that was mailed."""
    assert (await identity.post("/password-resets", {"email": email})).status_code == 202
    [mail] = [mail for mail in await identity.mails() if "password-reset#" in text_of(mail)]
    return token_of(mail)


async def reset(identity: Identity, token: str, password: str = NEW) -> Any:
    return await identity.post(f"/password-resets/{quote(token)}", {"password": password})


async def changes(identity: Identity) -> list[Any]:
    events = await identity.parts.store.tail(0, 100)
    return [event for event in events if event.type == "PasswordChanged"]


async def test_given_a_link_when_used_then_the_new_password_opens_the_account_and_the_old_does_not(
    anywhere: Identity,
) -> None:
    identity = anywhere
    account_id = (await identity.open()).json()["accountId"]
    token = await asked(identity)
    answer = await reset(identity, token)
    assert (answer.status_code, answer.json()) == (200, {"accountId": account_id})
    assert "portal-position" in answer.headers
    assert (await identity.sign_in(EMAIL, PASSWORD)).status_code == 401
    assert (await identity.sign_in(EMAIL, NEW)).status_code == 200
    [changed] = await changes(identity)
    assert changed.decode().change is PasswordChange.RESET
    assert (changed.time, changed.metadata.actor) == (identity.clock.now, account_id)
    # A reset confirms nothing else.
    account = await identity.account(account_id, account_id)
    assert (account.json()["emailConfirmed"], account.json()["level"]) == (False, "basic")


async def expired(identity: Identity, token: str) -> bool:
    """Tell whether a link is refused as expired, leaving the password as it is."""
    answer = await reset(identity, token, "jeszcze inne hasło 4711")
    assert answer.json().get("type") == "/problems/link-expired"
    return bool(answer.status_code == 410)


async def test_hazard_a_used_link_is_replayed(anywhere: Identity) -> None:
    await anywhere.open()
    token = await asked(anywhere)
    assert (await reset(anywhere, token)).status_code == 200
    assert await expired(anywhere, token)
    assert len(await changes(anywhere)) == 1
    assert (await anywhere.sign_in(EMAIL, NEW)).status_code == 200


async def test_hazard_a_link_is_used_many_times_at_once(anywhere: Identity) -> None:
    await anywhere.open()
    token = await asked(anywhere)
    answers = await asyncio.gather(*(reset(anywhere, token, f"{NEW} {n}") for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [410] * 7
    assert len(await changes(anywhere)) == 1


async def test_given_a_newer_link_when_the_older_is_used_then_410(anywhere: Identity) -> None:
    await anywhere.open()
    older, newer = await asked(anywhere), await asked(anywhere)
    assert await expired(anywhere, older)
    assert (await reset(anywhere, newer)).status_code == 200


async def test_given_half_an_hour_when_the_link_is_used_then_410(anywhere: Identity) -> None:
    await anywhere.open()
    token = await asked(anywhere)
    anywhere.clock.on(minutes=30)
    assert await expired(anywhere, token)
    token = await asked(anywhere)
    anywhere.clock.on(minutes=29, seconds=59)
    assert (await reset(anywhere, token)).status_code == 200


async def test_given_no_link_at_all_when_used_then_410(anywhere: Identity) -> None:
    await anywhere.open()
    [confirmation] = await anywhere.mails()
    for token in ("x", "\x00", "ż" * 400, token_of(confirmation)):
        assert await expired(anywhere, token)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password-weak"),
        ("jan.kowalski44", "password-weak"),
        ("zielony\x00 parasol na dachu", "control-character"),
    ],
)
async def test_given_a_weak_password_when_reset_then_422_and_the_link_still_works(
    identity: Identity, password: str, code: str
) -> None:
    await identity.open()
    token = await asked(identity)
    answer = await reset(identity, token, password)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/password", code)]
    assert password not in answer.text
    assert (await reset(identity, token)).status_code == 200


async def test_given_a_change_by_the_owner_when_an_earlier_link_is_used_then_410(anywhere: Identity) -> None:
    account_id = (await anywhere.open()).json()["accountId"]
    token = await asked(anywhere)
    changed = await anywhere.post(
        f"/accounts/{account_id}/password",
        {"currentPassword": PASSWORD, "newPassword": NEW},
        caller=account_id,
    )
    assert changed.status_code == 204
    assert await expired(anywhere, token)


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org", "no address", "\x00", ""])
async def test_hazard_probing_who_has_an_account_learns_nothing(anywhere: Identity, email: str) -> None:
    await anywhere.open()
    await anywhere.mails()
    answer = await anywhere.post("/password-resets", {"email": email})
    known = await anywhere.post("/password-resets", {"email": EMAIL})
    assert (answer.status_code, answer.content) == (known.status_code, known.content) == (202, b"")
    assert dict(answer.headers) == dict(known.headers)
    sent = await anywhere.mails()
    assert len(sent) == (2 if email == EMAIL else 1)
    assert {mail["To"] for mail in sent} == {EMAIL}


async def test_hazard_an_unknown_address_takes_the_same_steps(identity: Identity) -> None:
    """The requests touch the same tables, whoever is asked about; the store is not even read."""
    await identity.open()
    steps: dict[str, list[str]] = {}

    class Watched:
        def __init__(self, name: str, seen: list[str], thing: Any) -> None:
            self.name, self.seen, self.thing = name, seen, thing

        def __getattr__(self, step: str) -> Any:
            self.seen.append(f"{self.name}.{step}")
            return getattr(self.thing, step)

    for email in (EMAIL, "nobody@example.org"):
        seen = steps[email] = []
        limits = replace(identity.parts.limits, attempts=Watched("attempts", seen, identity.attempts))
        identity.wire(
            replace(
                identity.parts,
                store=Watched("store", seen, identity.parts.store),
                mail_orders=Watched("orders", seen, identity.parts.mail_orders),
                limits=limits,
            )
        )
        await identity.post("/password-resets", {"email": email})
    assert steps[EMAIL] == steps["nobody@example.org"] == ["attempts.take", "attempts.take", "orders.put"]


class NoAppends(Decider):
    """Never appends: as if the process died, or the store did not answer, after the password was changed."""

    async def execute(self, *_: Any, **__: Any) -> Any:
        raise StoreUnavailable


async def test_hazard_process_dies_between_the_password_and_the_log(anywhere: Identity) -> None:
    identity = anywhere
    account_id = (await identity.open()).json()["accountId"]
    token = await asked(identity)
    identity.wire(replace(identity.parts, decider=NoAppends(identity.parts.store)))
    answer = await reset(identity, token)
    # The password is another one from now on, and says so; the log will learn of it.
    assert (answer.status_code, answer.json()) == (200, {"accountId": account_id})
    assert (await identity.sign_in(EMAIL, NEW)).status_code == 200
    assert await expired(identity, token)
    assert await changes(identity) == []

    changed_at = identity.clock.now
    await identity.changes.announce_left(identity.clock.now)
    assert await changes(identity) == []  # whoever changed it may still be at it
    identity.clock.on(seconds=6)
    for _ in range(2):
        await identity.changes.announce_left(identity.clock.now)
    [changed] = await changes(identity)
    assert changed.time == changed_at
    event = changed.decode()
    assert isinstance(event, PasswordChanged)
    assert (event.account_id, event.change) == (UUID(account_id), PasswordChange.RESET)


class Undeletable:
    """Credentials whose note of a change survives: as if the process died after the append."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def __getattr__(self, name: str) -> Any:
        return getattr(self._credentials, name)

    async def announced(self, changed: Any) -> None:
        del changed
        raise ConnectionError


async def test_hazard_process_dies_between_the_log_and_the_note(anywhere: Identity) -> None:
    identity = anywhere
    await identity.open()
    token = await asked(identity)
    identity.wire(replace(identity.parts, credentials=Undeletable(identity.parts.credentials)))
    assert (await reset(identity, token)).status_code == 200
    assert len(await changes(identity)) == 1
    identity.clock.on(seconds=6)
    await identity.changes.announce_left(identity.clock.now)
    assert len(await changes(identity)) == 1
    assert await identity.parts.credentials.unannounced(identity.clock.now) == []


async def test_hazard_sign_in_with_the_old_password_is_under_way_while_it_changes(identity: Identity) -> None:
    await identity.open()
    token = await asked(identity)
    passwords = identity.parts.passwords
    verify, first = passwords.verify, True

    async def verify_while_it_is_reset(password: str, password_hash: str | None) -> bool:
        nonlocal first
        matches = await verify(password, password_hash)
        if first:
            first = False
            assert (await reset(identity, token)).status_code == 200
        return bool(matches)

    passwords.verify = verify_while_it_is_reset
    assert (await identity.sign_in(EMAIL, PASSWORD)).status_code == 401


async def test_given_a_changed_password_when_mailed_about_then_the_owner_knows_and_no_link_works(
    anywhere: Identity,
) -> None:
    await anywhere.open()
    assert (await reset(anywhere, await asked(anywhere))).status_code == 200
    [mail] = await anywhere.mails()
    assert (mail["To"], mail["Subject"]) == (EMAIL, "Twoje hasło zostało zmienione")
    assert "#" not in text_of(mail)
    assert NEW not in text_of(mail)
