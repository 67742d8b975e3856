"""How does a service run one of its operations in a process of its own?

What is heavy would hold up the others in its own process; and a worker's environment is the child's, too.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from portal_eventstore.rebuild.build import RebuildError
from portal_eventstore.view import View


async def child(service: str, *arguments: str) -> None:
    """Run `python -m <service> …` to its end, with the block that waits for it.

    Raises RebuildError with the sentence that the operation ended with, and no other word of it.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", service, *arguments),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
    if process.returncode != 0:
        sentences = [
            line.removeprefix(f"{service}: ")
            for line in said.decode(errors="replace").splitlines()
            if line.startswith(f"{service}: ")
        ]
        raise RebuildError(sentences[-1] if sentences else f"it ended with code {process.returncode}")


def rebuilds(service: str) -> Callable[[View[Any]], Coroutine[Any, Any, None]]:
    """Return what builds a view of `service` anew, in a process of its own."""

    async def build(view: View[Any]) -> None:
        await child(service, "rebuild", view.name)

    return build
