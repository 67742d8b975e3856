"""How does the launcher reach a portal that runs as containers?

Its secrets lie in the clone; an operator's command runs in a container of its own, of the service's image and
with its secrets, as the user who gave it and in their folder, so that files are named as everywhere else.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from portal_launcher.layout import ROOT
from portal_launcher.progress import show
from portal_secrets.containers import make_container_secrets

SECRETS = ROOT / "containers" / "secrets"

_COMPOSE = ("docker", "compose", "--file", str(ROOT / "docker-compose.yml"))


def make_secrets() -> int:
    """Make what is missing, and say what that was."""
    made = make_container_secrets(SECRETS)
    show(f"made in {SECRETS}: {', '.join(made)}" if made else f"nothing is missing in {SECRETS}")
    return 0


def containers_run() -> bool:
    """Tell whether a portal of containers runs here; nothing does where there is no Docker."""
    try:
        asked = subprocess.run(  # noqa: S603  our own file
            [*_COMPOSE, "ps", "--quiet", "postgres"], capture_output=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and asked.stdout.strip() != b""


def operation(service: str, arguments: Sequence[str]) -> list[str]:
    """Build the command that runs an operation of a service in a container."""
    here = str(Path.cwd())
    user = f"{os.getuid()}:{os.getgid()}"
    given = ("--user", user, "--volume", f"{here}:{here}", "--workdir", here)
    return [*_COMPOSE, "run", "--rm", "--no-deps", *given, f"{service}-worker", *arguments]


def make_databases() -> int:
    """Make the databases that are gone again, empty; return the exit code."""
    command = [*_COMPOSE, "run", "--rm", "--no-deps", "databases"]
    return subprocess.run(command, check=False).returncode  # noqa: S603  our own file
