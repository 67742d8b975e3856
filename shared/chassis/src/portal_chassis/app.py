"""What does every service's HTTP app have, before it has rooms?

`create_app` gives problem documents, tracing, logging, the body limit, a clock and the two health endpoints.
What a service's own wiring puts into `app.state`: `token_verifier`, `request_keys`, and whatever its
endpoints' dependencies read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import JSONResponse

from portal_chassis.clock import Clock, utc_now
from portal_chassis.metrics import Metrics
from portal_chassis.problems import Invalid, install_problem_handlers, problems
from portal_chassis.requests import BodyLimitMiddleware, RequestMiddleware

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
ReadyCheck = Callable[[], Awaitable[Sequence[str]]]
"""Returns what is missing, or not as it should be, in words without personal data; empty when all is well."""

_CHECK_SECONDS: Final = 2.0


def create_app(
    name: str,
    *,
    lifespan: Lifespan | None = None,
    clock: Clock = utc_now,
    unlimited: Callable[[str], bool] = lambda _: False,
) -> FastAPI:
    """Make a service's app. `unlimited(path)`: endpoints that read a long body as a stream themselves."""
    app = FastAPI(
        title=name,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        responses=problems(Invalid),
    )
    app.state.clock = clock
    app.state.stopping = asyncio.Event()  # set before connections drain, so that streams can end
    app.state.ready_checks = []
    app.state.degraded_checks = []
    app.state.metrics = Metrics()
    install_problem_handlers(app)
    app.add_middleware(BodyLimitMiddleware, unlimited=unlimited)
    app.add_middleware(RequestMiddleware, metrics=app.state.metrics)
    _add_health(app)
    return app


def add_ready_check(app: FastAPI, check: ReadyCheck) -> None:
    """Let `/readyz` ask `check` as well: while it finds something, the process is not ready."""
    app.state.ready_checks.append(check)


def add_degraded_check(app: FastAPI, check: ReadyCheck) -> None:
    """Let `/readyz` tell what `check` finds; the process stays ready."""
    app.state.degraded_checks.append(check)


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def live() -> dict[str, str]:
        """Answer as long as the process can."""
        return {"status": "live"}

    @app.get("/readyz", include_in_schema=False)
    async def ready() -> JSONResponse:
        """Answer 200, or 503 with what is missing; either way with what is not as it should be."""
        missing: list[str] = ["stopping"] if app.state.stopping.is_set() else []
        missing += await _found(app.state.ready_checks)
        status: dict[str, Any] = {
            "status": "ready" if not missing else "not ready",
            "missing": missing,
            "degraded": await _found(app.state.degraded_checks),
        }
        return JSONResponse(status, 200 if not missing else 503)


async def _found(checks: Sequence[ReadyCheck]) -> list[str]:
    return [found for each in await asyncio.gather(*map(_ask, checks)) for found in each]


async def _ask(check: ReadyCheck) -> Sequence[str]:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return ["a check did not answer in time"]
    except Exception as error:  # noqa: BLE001 - a check that fails is itself what is missing
        return [f"a check failed: {type(error).__name__}"]
