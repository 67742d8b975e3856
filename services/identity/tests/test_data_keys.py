"""Does everybody who waits for a data key get their own, or hear why not?"""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from identity.data_keys import PostgresDataKeys

Identity = Any
"""The fixtures' service (conftest.py)."""


@pytest.mark.connected
async def test_given_many_at_once_when_issued_then_each_patient_has_one_key(
    connected_identity: Identity,
) -> None:
    data_keys = connected_identity.parts.data_keys
    patients = [uuid4() for _ in range(100)]
    keys = await asyncio.gather(*(data_keys.issue(patient) for patient in patients * 2))
    assert keys[:100] == keys[100:]
    assert len(set(keys)) == 100
    assert await connected_identity.key_rows() == set(patients)
    assert [await data_keys.key(patient) for patient in patients] == keys[:100]


async def test_hazard_database_goes_away_while_many_wait() -> None:
    class Lost:
        calls = 0

        async def issue_all(self, _: Any, patients: list[Any]) -> Any:
            self.calls += 1
            await asyncio.sleep(0)
            if self.calls == 1:
                raise ConnectionError
            return dict.fromkeys(patients, b"key")

    data_keys: Any = PostgresDataKeys(None, None, Lost())  # type: ignore[arg-type]
    first = [asyncio.create_task(data_keys.issue(uuid4())) for _ in range(3)]
    results = await asyncio.gather(*first, return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError] * 3
    # The next ones are not concerned; nor is anybody when one of those who wait gives up.
    gone, stays = (asyncio.create_task(data_keys.issue(uuid4())) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == b"key"
