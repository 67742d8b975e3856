"""How does identity make a patient's data key and tell every service?

The wrapped key is stored before anything is sealed under it, and published from the table until Kafka has it:
a crash in between publishes it later, twice at worst.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from portal_events.keys import KeyWrap, WrappedKey, new_data_key, to_record
from portal_events.topics import PATIENT_KEYS, partition_for
from portal_eventstore.kafka import Outgoing, Publisher

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_PUBLISH_KEYS = 500
_PUBLISH_SECONDS = 5.0

_ISSUE = """
with issued as (
    insert into issued_key (patient_id, kek_version, ciphertext)
    select * from unnest($1::uuid[], $2::int[], $3::bytea[]) as t (patient_id, kek_version, ciphertext)
    order by patient_id on conflict do nothing returning patient_id
)
select pg_notify('key_issued', '') from issued
"""
_STORED = "select patient_id, kek_version, ciphertext from issued_key where patient_id = any ($1)"
# Another worker's keys are on their way with it.
_UNPUBLISHED = """
select patient_id, kek_version, ciphertext from issued_key where published_at is null
order by patient_id limit $1 for update skip locked
"""
_PUBLISHED = "update issued_key set published_at = now() where patient_id = any ($1)"


class KeyPublisher:
    """Issues keys in any process; one that calls `start` publishes them too."""

    def __init__(
        self, database_url: str, wrap: KeyWrap, bootstrap_servers: str, *, topic: str = PATIENT_KEYS
    ) -> None:
        """Publish from identity's own database."""
        self._database_url = database_url
        self._wrap = wrap
        self._servers = bootstrap_servers
        self._topic = topic
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._problem: str | None = None

    async def start(self) -> None:
        """Publish in the background; neither PostgreSQL nor Kafka has to be up."""
        self._task = asyncio.create_task(self._run(), name="key publication")

    async def stop(self) -> None:
        """Publish no more."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    def problems(self) -> list[str]:
        """Say what keeps keys from the other services."""
        return [] if self._problem is None else [f"key publication: {self._problem}"]

    async def issue(self, connection: Any, patient_id: UUID) -> bytes:
        """Make the patient's data key, or return the one there is; `connection` may also be a pool.

        Inside a caller's transaction the key is published after its commit, within half a second.
        """
        return (await self.issue_all(connection, [patient_id]))[patient_id]

    async def issue_all(self, connection: Any, patient_ids: Sequence[UUID]) -> dict[UUID, bytes]:
        """Make or return many patients' data keys at once."""
        wrapped = [self._wrap.wrap(patient_id, new_data_key()) for patient_id in patient_ids]
        await connection.execute(
            _ISSUE, patient_ids, [key.kek_version for key in wrapped], [key.ciphertext for key in wrapped]
        )
        # Whoever came first made the key that counts.
        rows = await connection.fetch(_STORED, patient_ids)
        self._wake.set()
        return {row["patient_id"]: self._wrap.unwrap(_wrapped(row)) for row in rows}

    async def _run(self) -> None:
        pause = _SHORTEST_PAUSE
        while True:
            try:
                await self._publish()
            except Exception as error:  # noqa: BLE001  whatever it is, it is told and tried again
                self._problem = f"interrupted ({type(error).__name__})"
                _log.warning("key publication: %s", self._problem)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _publish(self) -> None:
        """Publish what is unpublished, whenever there is something, until something breaks."""
        publisher = await Publisher.connect(self._servers)
        try:
            partitions = await publisher.partitions(self._topic)
            connection = await asyncpg.connect(
                self._database_url, server_settings={"application_name": "key publication"}
            )
            try:
                await connection.add_listener("key_issued", lambda *_: self._wake.set())
                self._problem = None
                while True:
                    self._wake.clear()
                    # Bounded: with Kafka down the rows would stay locked, and the transaction open.
                    async with asyncio.timeout(_PUBLISH_SECONDS):
                        some = await self._publish_some(connection, publisher, partitions)
                    if not some:
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(_POLL_SECONDS):
                                await self._wake.wait()
            finally:
                await connection.close(timeout=_LONGEST_PAUSE)
        finally:
            await publisher.close()

    async def _publish_some(self, connection: Any, publisher: Publisher, partitions: int) -> int:
        async with connection.transaction():
            rows = await connection.fetch(_UNPUBLISHED, _PUBLISH_KEYS)
            lanes: dict[int, list[Outgoing]] = {}
            for row in rows:
                key, value = to_record(_wrapped(row))
                lanes.setdefault(partition_for(key, partitions), []).append(Outgoing(key, value))
            for partition, records in lanes.items():
                while records:
                    sent = await publisher.publish(self._topic, partition, records)
                    del records[:sent]
            if rows:
                await connection.execute(_PUBLISHED, [row["patient_id"] for row in rows])
        return len(rows)


def _wrapped(row: Any) -> WrappedKey:
    return WrappedKey(row["patient_id"], row["kek_version"], row["ciphertext"])
