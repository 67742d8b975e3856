"""Which data key has identity made for a patient?

The key is kept, wrapped, before anything is sealed under it; the worker publishes it on `patient.keys`.
Identity reads its own table, so that a person's own account needs no Kafka.
"""

import asyncio
from typing import Any, Protocol
from uuid import UUID

from portal_events.keys import KeyWrap, WrappedKey
from portal_eventstore.keys.issue_keys import KeyPublisher


class DataKeys(Protocol):
    """The data keys, one a patient."""

    async def issue(self, patient_id: UUID) -> bytes:
        """Make and keep the key of a patient who is about to be registered."""

    async def remove(self, patient_id: UUID) -> None:
        """Forget the key of a patient who was not registered."""

    async def key(self, patient_id: UUID) -> bytes | None:
        """Return a patient's key, None when there is none."""


class PostgresDataKeys:
    """The table `issued_key`, wrapped."""

    def __init__(self, pool: Any, wrap: KeyWrap, publisher: KeyPublisher) -> None:
        """Use the service's own pool; `publisher` need not be started here."""
        self._pool = pool
        self._wrap = wrap
        self._publisher = publisher
        self._waiting: dict[UUID, asyncio.Future[bytes]] = {}
        self._issuing: asyncio.Task[None] | None = None

    async def issue(self, patient_id: UUID) -> bytes:
        """Insert a row and wake the publisher; who waits at the same moment shares a statement."""
        waiting = self._waiting.setdefault(patient_id, asyncio.get_running_loop().create_future())
        if self._issuing is None or self._issuing.done():
            self._issuing = asyncio.create_task(self._issue_waiting(), name="data keys")
        # Others may wait for the same key: whoever gives up does so alone.
        return await asyncio.shield(waiting)

    async def _issue_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            try:
                keys = await self._publisher.issue_all(self._pool, list(batch))
            except Exception as error:  # noqa: BLE001 - whoever waits gets it
                for waiting in batch.values():
                    waiting.set_exception(error)
            else:
                for patient_id, waiting in batch.items():
                    waiting.set_result(keys[patient_id])

    async def remove(self, patient_id: UUID) -> None:
        """Delete a row. Were it published already, it would be nobody's key."""
        await self._pool.execute("delete from issued_key where patient_id = $1", patient_id)

    async def key(self, patient_id: UUID) -> bytes | None:
        """Read and unwrap one key."""
        row = await self._pool.fetchrow(
            "select patient_id, kek_version, ciphertext from issued_key where patient_id = $1", patient_id
        )
        if row is None:
            return None
        return self._wrap.unwrap(WrappedKey(row["patient_id"], row["kek_version"], row["ciphertext"]))
