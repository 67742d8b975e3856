"""How is a whole portal run, looked into and hurt?

`./portal up --split` in a process of its own, with a state of its own, on servers that are given to it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from portal_launcher.layout import ROOT
from portal_launcher.processes import die_with_parent, group_members, is_alive
from portal_launcher.run_file import ProcessRecord, Run, read_run

T = TypeVar("T")

POLL = 0.05
DEADLINE = 60.0  # seconds; on an idle machine everything takes a fraction of it


class BrokenPromiseError(AssertionError):
    """The portal did not do what it should have done by now."""


def until(check: Callable[[], bool], what: str, within: float = DEADLINE) -> None:
    """Wait until something holds, and fail by name when it does not. Not for the event loop."""
    deadline = time.monotonic() + within
    while not check():
        require(time.monotonic() < deadline, f"not within {within:.0f} s: {what}")
        time.sleep(POLL)


async def eventually(look: Callable[[], Awaitable[T | None]], what: str, within: float = DEADLINE) -> T:
    """Look again and again until something is there; fail by name when it does not come."""
    deadline = time.monotonic() + within
    while not (found := await look()):
        require(time.monotonic() < deadline, f"not within {within:.0f} s: {what}")
        await asyncio.sleep(POLL)
    return found


def require(held: object, broken: str) -> None:
    """Raise BrokenPromiseError with these words unless something held."""
    if not held:
        raise BrokenPromiseError(broken)


@dataclass
class RunningPortal:
    """One portal. `demo.json`, `run.json` and the logs lie in `state`."""

    state: Path
    port: int
    output: Path
    bootstrap_servers: str
    database_urls: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    began: float = field(default_factory=time.time)

    @property
    def url(self) -> str:
        """The address that people open."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.state / "logs"

    @property
    def mails(self) -> Path:
        """What the local mailbox has received."""
        return self.state / "mails"

    @property
    def environment(self) -> dict[str, str]:
        """What `./portal` is told, so that every subcommand means this portal."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DATABASE_URL", "KAFKA_"))}
        return {
            **inherited,
            # `python3` is then the one that the environment was made with: nothing is installed again.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PORTAL_STATE": str(self.state),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            **{f"DATABASE_URL_{name.upper()}": url for name, url in self.database_urls.items()},
        }

    @property
    def command(self) -> Sequence[str]:
        """What brings it up."""
        return [sys.executable, str(ROOT / "portal"), "up", "--split", "--port", str(self.port)]

    def start(self) -> None:
        """Bring it up and wait until it says that it is ready."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own programs
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads yet
            )
        until(lambda: self.is_ready() or self.has_ended(), "the portal is ready", 300)
        require(not self.has_ended(), f"the portal did not start:\n{self.said()}")

    def stop(self) -> None:
        """Stop it as `./portal down` does, and see that it ends well and leaves no process."""
        process = self._launcher()
        children = self.run().processes
        down = self.tell("down")
        require(down.returncode == 0, down.stdout + down.stderr)
        require(process.wait(DEADLINE) == 0, self.said())
        left = {child.name: group_members(child.pid) for child in children if group_members(child.pid)}
        require(not left, f"processes were left: {left}")
        require(not (self.state / "run.json").exists(), "run.json was left")

    def tell(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `./portal` with these arguments on it, and return what it said. Not for the event loop."""
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, str(ROOT / "portal"), *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=5 * DEADLINE,
            check=False,
        )

    def has_ended(self) -> bool:
        """Tell whether the launcher is gone."""
        return self._launcher().poll() is not None

    def is_ready(self) -> bool:
        """Tell whether the launcher found everything ready."""
        found = read_run(self.state / "run.json")
        return found is not None and found.ready

    def said(self) -> str:
        """Return what the launcher printed."""
        return self.output.read_text()

    def run(self) -> Run:
        """Return run.json."""
        found = read_run(self.state / "run.json")
        if found is None:
            raise BrokenPromiseError("there is no run.json")
        return found

    def _launcher(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise BrokenPromiseError("the portal was not started")
        return self.process

    def record(self, name: str) -> ProcessRecord:
        """Return what run.json says of one process."""
        return next(record for record in self.run().processes if record.name == name)

    def hurt(self, name: str, number: int) -> ProcessRecord:
        """Send a signal to a process with all its children; return who got it."""
        record = self.record(name)
        require(is_alive(record.identity), f"{name} does not live")
        os.killpg(record.pid, number)
        return record

    async def query(self, service: str, statement: str, *arguments: object) -> list[Any]:
        """Look into a service's database."""
        connection = await asyncpg.connect(self.database_urls[service])
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    async def keeps_up(self) -> None:
        """Wait until every view is complete up to a time after this call: whoever follows its topics lives.

        That a list is not stale says less: a view whose worker has just died is not stale for another while.
        """
        began = datetime.now(UTC)

        async def all_views_do() -> bool:
            places = "select bool_and(fresh_at > $1) as fresh from projection_position having count(*) > 0"
            rows = [row for service in self.database_urls for row in await self.query(service, places, began)]
            return all(row["fresh"] for row in rows)

        await eventually(all_views_do, "every view keeps up")

    async def bookings(self, slot_id: str) -> list[Any]:
        """Return the store's events that booked a slot, but for visits that were cancelled or moved away."""
        return await self.query(
            "booking",
            """
            select position, id from event booked
            where type = 'AppointmentBooked' and data::json->>'slotId' = $1 and not exists (
                select from event_tag ended
                where ended.tag = 'appointment:' || (booked.data::json->>'appointmentId')
                and ended.type in ('AppointmentCancelled', 'AppointmentMoved')
            )
            """,
            slot_id,
        )

    async def records(self, *topics: str) -> list[ConsumerRecord]:
        """Return everything that stands in some topics now, partition by partition."""
        # Not by seek_to_beginning: the reset to the end that an assignment sets off could overtake it.
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            places = [
                TopicPartition(topic, partition)
                for topic in topics
                for partition in await partitions_of(consumer, topic)
            ]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: list[ConsumerRecord] = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    found.extend(batch)
        finally:
            await consumer.stop()
        return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))

    async def first_occurrences(self, topic: str = "booking.events") -> list[ConsumerRecord]:
        """Return a topic's records as a consumer sees them that drops duplicates by `ce_sequence`."""
        highest: dict[int, int] = {}
        kept = []
        for record in await self.records(topic):
            sequence = int(dict(record.headers)["ce_sequence"])
            if sequence > highest.get(record.partition, 0):
                highest[record.partition] = sequence
                kept.append(record)
        return kept


async def partitions_of(consumer: Any, topic: str) -> list[int]:
    """Return a topic's partitions, asking the broker: a consumer knows of those only that it reads."""
    metadata = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - there is no public way
    return sorted(metadata.partitions_for_topic(topic) or ())
