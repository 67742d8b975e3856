"""How does a test get an app, when making one takes longer than most tests?"""

import asyncio
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import State


def with_own_state(make: Callable[..., FastAPI], *arguments: Hashable) -> FastAPI:
    """Return `make(*arguments)`, made once a process, with the state that it had then: the test's own.

    One at a time: whoever asks for the same app again takes it from whoever had it before.
    """
    app, state = _made(make, *arguments)
    app.state = State({**state, "stopping": asyncio.Event()})
    return app


@cache
def _made(make: Callable[..., FastAPI], *arguments: Hashable) -> tuple[FastAPI, dict[str, Any]]:
    app = make(*arguments)
    return app, app.state._state  # noqa: SLF001  it has no other copy
