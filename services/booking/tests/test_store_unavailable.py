"""What does a client see of a decision when the event store takes nothing?"""

from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
import pytest

from .house import House, slot_of

pytestmark = pytest.mark.connected

SLOT = {"slotId": str(slot_of())}

WRITES: dict[str, Callable[[House], Awaitable[httpx.Response]]] = {
    "hold": lambda house: house.hold(slot_of()),
    "release": lambda house: house.release(UUID(int=1)),
    "book": lambda house: house.book(SLOT),
    "cancel": lambda house: house.cancel(UUID(int=1)),
    "move": lambda house: house.move(UUID(int=1), SLOT),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_given_no_store_when_written_then_503_says_when_to_try_again(
    shown: House, write: Callable[[House], Awaitable[httpx.Response]]
) -> None:
    await shown.decider.close()
    answer = await write(shown)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
