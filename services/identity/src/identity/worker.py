"""What does identity do beside answering?

It publishes its events and the patients' data keys, and sweeps up what interrupted sign-ups left.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from identity.accounts import OWNER
from identity.settings import IdentitySettings
from identity.sweep import Sweeper
from portal_chassis.clock import utc_now
from portal_events.keys import FileKeyWrap
from portal_eventstore.issue_keys import KeyPublisher
from portal_eventstore.publish import Relay


class _Part(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def problems(self) -> Sequence[str]: ...


class IdentityWorker:
    """The parts that run, asked together."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        """Take the running parts."""
        self._parts = parts

    def problems(self) -> list[str]:
        """Say what any of them lacks."""
        return [problem for part in self._parts for problem in part.problems()]


@asynccontextmanager
async def run_worker(settings: IdentitySettings) -> AsyncIterator[IdentityWorker]:
    """Run everything until the block ends."""
    database_url, servers = settings.database_url, settings.kafka_bootstrap_servers
    wrap = FileKeyWrap(settings.key_encryption_key_file)
    parts: list[_Part] = [
        Relay(database_url=database_url, owner=OWNER, bootstrap_servers=servers),
        KeyPublisher(database_url, wrap, servers),
        Sweeper(database_url, utc_now),
    ]
    async with AsyncExitStack() as stack:
        for part in parts:
            await part.start()
            stack.push_async_callback(part.stop)
        yield IdentityWorker(parts)
