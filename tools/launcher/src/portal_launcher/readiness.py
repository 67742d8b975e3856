"""Does a process say that it is ready?"""

from __future__ import annotations

import asyncio
import http.client
import json
from dataclasses import dataclass

TIMEOUT = 5.0


@dataclass(frozen=True)
class Readiness:
    """What /readyz answered; `missing` and `degraded` are in the process's own words."""

    ready: bool
    missing: str = ""
    degraded: tuple[str, ...] = ()


async def ask(port: int) -> Readiness:
    """Ask /readyz of a loopback port, without holding up the supervisor."""
    return await asyncio.to_thread(ask_now, port)


def ask_now(port: int) -> Readiness:
    """Ask /readyz of a loopback port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return Readiness(ready=False, missing="no answer")
    finally:
        connection.close()
    ready = answer.status == http.HTTPStatus.OK
    try:
        said = json.loads(body)
    except ValueError:
        return Readiness(ready, "" if ready else f"status {answer.status}")
    if not isinstance(said, dict):
        return Readiness(ready, "" if ready else json.dumps(said))
    missing = "" if ready else json.dumps(said.get("missing", said))
    return Readiness(ready, missing, tuple(map(str, said.get("degraded", ()))))
