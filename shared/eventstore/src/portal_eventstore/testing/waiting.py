"""How does a test wait for what other processes do, without knowing how long it takes?"""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]], what: str, within: float = 30.0) -> None:
    """Wait until `condition` holds; fails, naming `what`, when it does not in time (seconds)."""
    deadline = time.monotonic() + within
    while not await condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:.0f} s: {what}")
        await asyncio.sleep(0.02)
