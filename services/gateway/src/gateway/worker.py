"""What does the gateway do in the background? It keeps its views current, and ends sessions that are over."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from gateway.database import connected
from gateway.directory.project import DIRECTORY
from gateway.end_sessions_when_password_changed.react import END_SESSIONS
from gateway.settings import GatewaySettings
from gateway.timeline.project import TIMELINE, TOLD_LEVELS
from portal_chassis.operations.child import rebuilds
from portal_eventstore.project import Projector

PROJECTIONS: Final = (DIRECTORY, TOLD_LEVELS, TIMELINE, END_SESSIONS)


class GatewayWorker:
    """The running projections."""

    relay: Final = None

    def __init__(self, projector: Projector) -> None:
        """Take what runs them."""
        self.projectors = (projector,)

    def problems(self) -> Sequence[str]:
        """Say what is missing, for /readyz."""
        return [problem for projector in self.projectors for problem in projector.problems()]


@asynccontextmanager
async def work(settings: GatewaySettings) -> AsyncIterator[GatewayWorker]:
    """Run the projections for the block."""
    async with connected(settings.database_url, "gateway worker") as pool:
        projector = Projector(
            service="gateway",
            pool=pool,
            bootstrap_servers=settings.kafka_bootstrap_servers,
            projections=PROJECTIONS,
            rebuilds=rebuilds("gateway"),
        )
        await projector.start()
        try:
            yield GatewayWorker(projector)
        finally:
            await projector.stop()
