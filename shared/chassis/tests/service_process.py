"""A process that the tests of service.py start: an app with one slow endpoint, and a worker that may fail."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from portal_chassis.app import create_app
from portal_chassis.service import Service, main
from portal_chassis.settings import Settings
from portal_eventstore.testing.planting import plant_named

FAILURES = Path(os.environ["FAILURES"])
"""Holds how often the worker still fails to start."""


class Worker:
    relay = None
    projectors = ()

    def problems(self) -> Sequence[str]:
        return ()


def make_app(_: Settings) -> FastAPI:
    app = create_app("example")

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(1)
        return "done"

    return app


@asynccontextmanager
async def run_worker(_: Settings) -> AsyncIterator[Worker]:
    left = int(FAILURES.read_text())
    if left:
        FAILURES.write_text(str(left - 1))
        raise ConnectionRefusedError("jan.kowalski@example.org")
    yield Worker()
    print("worker ended", flush=True)  # noqa: T201


if __name__ == "__main__":
    plant_named(Path(__file__).parent)
    main(
        Service(
            name="example",
            settings=lambda: Settings.from_environment(os.environ),
            app=make_app,
            worker=run_worker,
            migrations=(),
            views=(),
            keeps_log="KEEPS_LOG" in os.environ,
        ),
        sys.argv[1:],
    )
