"""How much memory does it take not to keep up? (reliability: slow consumer → bounded memory)"""

import asyncio
import sys
import time
import uuid
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from portal_eventstore.kafka import Outgoing
from portal_eventstore.relay.publish import Relay
from portal_eventstore.testing.kafka_log import opened_log
from portal_eventstore.testing.waiting import until

pytestmark = pytest.mark.connected

_MOST = 250
"""MiB. The process takes some 80 when nothing waits."""


@pytest.mark.parametrize(("records", "filler"), [(200_000, 0), (2_000, 400_000)], ids=["many", "large"])
async def test_given_a_slow_view_when_much_waits_then_its_memory_is_bounded(
    log_url: str, kafka: str, records: int, filler: int
) -> None:
    """Events are at most 900 kB: 2,000 of 400 kB are 800 MB, which Kafka keeps in a few."""
    async with opened_log(log_url, kafka) as log:
        subjects = [uuid.UUID(int=number) for number in range(60)]
        tail = f',"filler":"{"x" * filler}"}}'
        step = 500 if filler else 20_000
        for start in range(0, records, step):
            events = [
                log.stored(position, subjects[position % 60], position)
                for position in range(start + 1, start + step + 1)
            ]
            await log.publish([replace(event, data=event.data[:-1] + tail) for event in events])
        arguments = [str(Path(__file__).with_name("slow_view_process.py")), log_url, log.owner, kafka]
        worker = await asyncio.create_subprocess_exec(sys.executable, *arguments)
        try:
            deadline = time.monotonic() + 240
            seen = 0
            while seen < records:
                assert time.monotonic() < deadline, f"only {seen} applied"
                assert worker.returncode is None
                await asyncio.sleep(0.1)
                seen = await log.pool.fetchval(
                    "select coalesce(sum(next_offset), 0)::int from projection_position"
                )
            assert _most_resident(worker.pid) < _MOST
        finally:
            worker.kill()
            await worker.wait()


class _SilentPublisher:
    """Takes batches, and acknowledges none until it is told to."""

    def __init__(self) -> None:
        self.acknowledges = asyncio.Event()

    async def partitions(self, topic: str) -> int:
        del topic
        return 2

    async def publish(self, topic: str, partition: int, records: Iterable[Outgoing]) -> int:
        del topic, partition
        await self.acknowledges.wait()
        return len(list(records))

    async def close(self) -> None:
        pass


async def test_given_kafka_is_silent_when_large_events_wait_then_the_relay_reads_no_more_than_it_may_hold(
    log_url: str, kafka: str
) -> None:
    publisher = _SilentPublisher()

    async def connect(_: str) -> _SilentPublisher:
        return publisher

    async with opened_log(log_url, kafka, partitions=2) as log:
        for _ in range(50):
            last = await log.append(uuid.uuid4(), *range(40), filler="x" * 60_000)
        relay = Relay(database_url=log_url, owner=log.owner, bootstrap_servers=kafka, connect=connect)
        await relay.start()

        async def told() -> bool:
            return f"{last} events wait" in str(relay.problems())

        await until(told, "the whole backlog is told")
        assert relay._owned is not None
        # What is read at once may exceed it.
        assert relay._owned._waiting.bytes < 80_000_000 < last * 60_000
        publisher.acknowledges.set()

        async def published() -> bool:
            return await log.published() == last

        await until(published, "everything is published")
        await relay.stop()


def _most_resident(pid: int) -> int:
    """Return the most that it ever had in memory, in MiB."""
    [line] = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) // 1024
