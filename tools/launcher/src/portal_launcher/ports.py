"""Which TCP ports does a portal listen on?

The public one is asked for. The internal ones are picked below the range that the system hands out to
outgoing connections, kept in the state, and picked anew only when something else has taken them.
"""

from __future__ import annotations

import errno
import json
import random
import socket
from pathlib import Path

from portal_launcher.faults import PORT_TAKEN, Fault

LOWEST, HIGHEST = 20_000, 32_000


def require_free(port: int) -> None:
    """Refuse to go on when the public port cannot be had."""
    try:
        bind(port)
    except PermissionError:
        raise Fault(PORT_TAKEN, f"Port {port} needs root; choose one from 1024 up with --port.") from None
    except OverflowError:
        raise Fault(PORT_TAKEN, f"{port} is no port; choose one from 1024 to 65535 with --port.") from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise Fault(
            PORT_TAKEN,
            f"Port {port} is in use by another program; stop that one or choose another port:"
            f" ./portal up --port {port + 1}",
        ) from None


def bind(port: int) -> None:
    """Bind a port of the loopback interface and let it go again."""
    with socket.socket() as probe:
        # A listener still conflicts; connections of a portal just stopped, in TIME_WAIT, do not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def is_free(port: int) -> bool:
    """Tell whether a port could be bound now."""
    try:
        bind(port)
    except OSError:
        return False
    return True


def internal_ports(state: Path, names: list[str]) -> dict[str, int]:
    """Give each name a free port, the same as last time where possible."""
    file = state / "ports.json"
    remembered: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    chosen: dict[str, int] = {}
    for name in names:
        port = remembered.get(name)
        while port is None or port in chosen.values() or not is_free(port):
            port = random.randrange(LOWEST, HIGHEST)  # noqa: S311 - a port is no secret
        chosen[name] = port
    file.write_text(json.dumps({**remembered, **chosen}))
    return chosen
