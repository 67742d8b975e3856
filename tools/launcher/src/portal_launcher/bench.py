"""How does a benchmark get a PostgreSQL of its own?"""

from __future__ import annotations

import asyncio
import os
import sys

from portal_launcher.layout import ROOT
from portal_launcher.progress import Progress
from portal_launcher.throwaway import throwaway_servers


def bench(name: str, arguments: list[str]) -> int:
    """Run one benchmark against a durable server that nothing else uses."""
    return asyncio.run(measure(name, arguments))


async def measure(name: str, arguments: list[str]) -> int:
    """Start the server, hand over, stop it."""
    async with throwaway_servers("bench", Progress(), fsync=True, kafka=False) as servers:
        if servers.postgres is None:
            raise AssertionError
        environment = {**os.environ, "DATABASE_URL": servers.postgres.url("postgres", "postgres")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "portal_bench", name, *arguments, cwd=ROOT, env=environment
        )
        return await process.wait()
