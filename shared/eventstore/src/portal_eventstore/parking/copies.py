"""How does the rest of the world see what was parked?

A copy of each record appears on `<topic>.parked`: the original's key, value and headers, and headers of ours
that say who parked it and why. At least once, and never in anybody's way: where Kafka does not take copies,
views and replays go on, and the log says so.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any, Final

from portal_events.topics import parked_topic
from portal_eventstore.kafka import Outgoing, Publisher, PublishError
from portal_eventstore.parking.blame import kind

_log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 2.0
_LONGEST_PAUSE: Final = 60.0
_TIMEOUT: Final = 15.0
_ROWS: Final = 200

# What a build parks is told once its tables are the view's: most builds end as they should, or are ended.
_UNRELAYED: Final = (
    "from parked where not relayed "
    "and not exists (select from projection_build b where b.build = parked.view)"
)
_SOME: Final = f"select exists (select {_UNRELAYED})"
# One worker at a time, without locking rows that a replay wants.
_LOCK: Final = "select pg_try_advisory_xact_lock(hashtextextended('parked copies', 0))"
_NEXT: Final = f"select * {_UNRELAYED} order by number limit $1"
_RELAYED: Final = "update parked set relayed = true where number = any ($1::bigint[])"


class ParkedCopies:
    """Publishes copies of what the views of one service have parked, in the background."""

    def __init__(self, *, service: str, pool: Any, bootstrap_servers: str) -> None:
        """Publish what stands in the pool's database."""
        self._service = service
        self._pool = pool
        self._servers = bootstrap_servers
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; neither PostgreSQL nor Kafka has to be up."""
        self._task = asyncio.create_task(self._run(), name=f"{self._service} parked copies")

    async def stop(self) -> None:
        """End; what has no copy yet gets one after the next start."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    async def _run(self) -> None:
        pause = _POLL_SECONDS
        while True:
            try:
                if await self._pool.fetchval(_SOME):
                    async with asyncio.timeout(_TIMEOUT):
                        await self._publish()
            except Exception as error:  # noqa: BLE001  whatever it is, it is told and tried again
                pause = min(2 * pause, _LONGEST_PAUSE)
                _log.warning("parked records of %s: no copies on Kafka (%s)", self._service, kind(error))
            else:
                pause = _POLL_SECONDS
            await asyncio.sleep(pause)

    async def _publish(self) -> None:
        publisher = await Publisher.connect(self._servers)
        try:
            while await self._publish_some(publisher):
                pass
        finally:
            await publisher.close()

    async def _publish_some(self, publisher: Publisher) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(_LOCK):
                return False
            rows = await connection.fetch(_NEXT, _ROWS)
            lanes: dict[tuple[str, int], list[Any]] = {}
            for row in rows:
                lanes.setdefault((row["topic"], row["partition"]), []).append(row)
            for (topic, partition), parked in lanes.items():
                copies = parked_topic(topic)
                number = partition % await publisher.partitions(copies)
                await _publish_all(publisher, copies, number, [self._copy(row) for row in parked])
            await connection.execute(_RELAYED, [row["number"] for row in rows])
            return len(rows) == _ROWS

    def _copy(self, row: Any) -> Outgoing:
        names = (name.decode() for name in row["header_names"])
        added = (
            ("parked_service", self._service.encode()),
            ("parked_view", row["view"].encode()),
            ("parked_partition", b"%d" % row["partition"]),
            ("parked_offset", b"%d" % row["record_offset"]),
            ("parked_reason", row["reason"].encode()),
        )
        headers = (*zip(names, row["header_values"], strict=True), *added)
        return Outgoing(row["key"], row["value"], headers)


async def _publish_all(publisher: Publisher, topic: str, partition: int, copies: Sequence[Outgoing]) -> None:
    waiting = list(copies)
    while waiting:
        count = await publisher.publish(topic, partition, waiting)
        if count == 0:
            raise PublishError(f"{topic}/{partition}: a record is too large")
        del waiting[:count]
