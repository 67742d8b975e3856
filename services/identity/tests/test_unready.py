"""Does every operation that needs a free moment, a person's key or an address say when it cannot have it?"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from identity.passwords import Busy

from .conftest import token_of

Identity = Any
"""The fixtures' service (conftest.py)."""

OLD, NEW = "Jan.Kowalski@example.org", "Jan@nowy.example"
PASSWORD = "zielony parasol na dachu"
ANOTHER = "siedem czapek na kołku"


class TooBusy:
    """Passwords that nobody has time for."""

    async def hash(self, *_: Any) -> str:
        raise Busy

    async def verify(self, *_: Any) -> bool:
        raise Busy

    async def run(self, *_: Any) -> Any:
        raise Busy


@dataclass(frozen=True)
class Jan:
    """An account with a link of every kind: `links` are those of a change of address, by addressee."""

    identity: Identity
    account_id: str
    reset_link: str
    links: Mapping[str, str]


@pytest.fixture
async def jan(identity: Identity) -> Jan:
    account_id = (await identity.open()).json()["accountId"]
    await identity.mails()
    await identity.post("/password-resets", {"email": OLD})
    [mail] = await identity.mails()
    one = Jan(identity, account_id, token_of(mail), {})
    await change_address(one)
    return replace(one, links={mail["To"]: token_of(mail) for mail in await identity.mails()})


async def sign_up(jan: Jan) -> Any:
    return await jan.identity.open("other", email=NEW, pesel="02070803628")


async def sign_in(jan: Jan) -> Any:
    return await jan.identity.sign_in(OLD, PASSWORD)


async def change_password(jan: Jan) -> Any:
    body = {"currentPassword": PASSWORD, "newPassword": ANOTHER}
    return await jan.identity.post(f"/accounts/{jan.account_id}/password", body, caller=jan.account_id)


async def change_address(jan: Jan) -> Any:
    body = {"email": NEW, "currentPassword": PASSWORD}
    return await jan.identity.send("PATCH", f"/accounts/{jan.account_id}", body, caller=jan.account_id)


async def change_name(jan: Jan) -> Any:
    body = {"givenName": "Janusz"}
    return await jan.identity.send("PATCH", f"/accounts/{jan.account_id}", body, caller=jan.account_id)


async def reset_password(jan: Jan) -> Any:
    return await jan.identity.post(f"/password-resets/{jan.reset_link}", {"password": ANOTHER})


async def open_link(jan: Jan) -> Any:
    return await jan.identity.post(f"/email-confirmations/{jan.links[NEW]}")


Operation = Callable[[Jan], Awaitable[Any]]


@pytest.mark.parametrize(
    "operation", [sign_up, sign_in, change_password, change_address, reset_password], ids=lambda o: o.__name__
)
async def test_hazard_passwords_wait_in_too_long_a_line_then_503(jan: Jan, operation: Operation) -> None:
    jan.identity.wire(replace(jan.identity.parts, passwords=TooBusy()))
    answer = await operation(jan)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/busy")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "operation", [change_password, change_name, reset_password, open_link], ids=lambda o: o.__name__
)
async def test_hazard_a_persons_key_is_not_there_then_503(jan: Jan, operation: Operation) -> None:
    jan.identity.parts.data_keys.rows.clear()
    answer = await operation(jan)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/key-unavailable")


async def test_given_the_address_was_taken_when_its_link_is_opened_then_409(jan: Jan) -> None:
    await jan.identity.post(f"/email-confirmations/{jan.links[OLD]}")
    assert (await sign_up(jan)).status_code == 201
    answer = await open_link(jan)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/account-exists")
