"""What does the gateway do in the background? It keeps its views current."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gateway.database import connected
from gateway.directory.project import DIRECTORY
from gateway.settings import GatewaySettings
from gateway.timeline.project import TIMELINE
from portal_eventstore.project import Projector


class GatewayWorker:
    """The running projections."""

    def __init__(self, projector: Projector) -> None:
        """Take what runs them."""
        self._projector = projector

    def problems(self) -> Sequence[str]:
        """Say what is missing, for /readyz."""
        return self._projector.problems()


@asynccontextmanager
async def work(settings: GatewaySettings) -> AsyncIterator[GatewayWorker]:
    """Run the projections for the block."""
    async with connected(settings.database_url, "gateway worker") as pool:
        projector = Projector(
            service="gateway",
            pool=pool,
            bootstrap_servers=settings.kafka_bootstrap_servers,
            projections=[DIRECTORY, TIMELINE],
        )
        await projector.start()
        try:
            yield GatewayWorker(projector)
        finally:
            await projector.stop()
