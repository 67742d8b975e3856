"""Which engine and which images do the containers' tests look at?"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.services import SERVICES

from portal_launcher.layout import ROOT
from portal_launcher.ports import is_free

collect_ignore_glob = [] if "PORTAL_TEST_CONTAINERS" in os.environ else ["test_*.py"]
"""Where nobody asked for them, there need be no engine: ./portal test --containers."""

PATIENCE = 900.0  # seconds: a first build fetches packages


def docker(
    *arguments: str, given: str = "", within: float = PATIENCE, environment: Mapping[str, str] | None = None
) -> str:
    """Run docker and return what it printed; fail with what it said."""
    done = subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        input=given,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"docker {' '.join(arguments)[:120]}: {done.stderr.strip()}", pytrace=False)
    return done.stdout


def inside(image: str, *command: str, given: str = "", user: str = "0") -> str:
    """Run a command in a container of an image that sees no network; root reads everything."""
    options = ("--rm", "--interactive", "--network", "none", "--user", user, "--entrypoint", command[0])
    return docker("run", *options, image, *command[1:], given=given)


@pytest.fixture(scope="session", autouse=True)
def _built() -> None:
    """Build the images as they are now."""
    if shutil.which("docker") is None:
        pytest.fail("these tests need Docker, and there is no docker command", pytrace=False)
    docker("info", within=30)
    docker("compose", "build", "--quiet")


@dataclass(frozen=True)
class Containers:
    """A portal of containers of the tests' own, beside any other on this machine."""

    ports: Mapping[str, int]

    @property
    def environment(self) -> dict[str, str]:
        """What `docker compose` and `./portal` are told."""
        told = {name: str(port) for name, port in self.ports.items()}
        return {"COMPOSE_PROJECT_NAME": "portal-test", **told}

    @property
    def url(self) -> str:
        """Where people open it."""
        return f"http://127.0.0.1:{self.ports['PORTAL_PORT']}"

    @property
    def mailbox(self) -> str:
        """Where its mails are read."""
        return f"http://127.0.0.1:{self.ports['PORTAL_MAILBOX_PORT']}"

    def compose(self, *arguments: str) -> str:
        """Run docker compose on it."""
        return docker("compose", *arguments, environment=self.environment)

    def python(self, *arguments: str | Path, **told: str) -> subprocess.CompletedProcess[str]:
        """Run a program of ours beside it."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment, **told},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """Bring a portal up as the file says; all of it is removed afterwards."""
    free = (port for port in random.sample(range(15_000, 20_000), 5_000) if is_free(port))
    ports = {name: next(free) for name in ("PORTAL_PORT", "PORTAL_MAILBOX_PORT", "PORTAL_KAFKA_PORT")}
    running = Containers(ports)
    running.compose("down", "--volumes", "--remove-orphans")
    try:
        running.compose("up", "--detach", "--wait")
        yield running
    finally:
        logs = tmp_path_factory.mktemp("containers") / "logs"
        logs.write_text(running.compose("logs", "--no-color", "--timestamps"))
        running.compose("down", "--volumes", "--remove-orphans")


@pytest.fixture(scope="session")
def configuration() -> dict[str, Any]:
    """Give what docker compose makes of docker-compose.yml."""
    found: dict[str, Any] = json.loads(docker("compose", "config", "--format", "json"))
    return found


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """Give each service's name."""
    return str(request.param)


@pytest.fixture
def image(service: str) -> str:
    """Give each service's image."""
    return f"portal-{service}"
