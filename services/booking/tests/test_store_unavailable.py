"""What does a client see when the event store takes nothing, or the views cannot be read?"""

from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
import pytest

from portal_events.testing import ANNA

from .house import DENTIST, House, slot_of

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


@pytest.mark.parametrize(
    "path",
    [
        "/appointments",
        f"/appointments/{UUID(int=1)}",
        f"/slots?serviceId={DENTIST}",
        "/catalogue/services",
        "/catalogue/facilities",
        "/catalogue/doctors",
    ],
)
async def test_given_no_database_when_read_then_503_says_when_to_try_again(shown: House, path: str) -> None:
    await shown.state.views.close()
    answer = await shown.client.get(path, headers=shown.headers(ANNA))
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
