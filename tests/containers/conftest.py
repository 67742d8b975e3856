"""Which engine and which images do the containers' tests look at?"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from portal_launcher.layout import ROOT

SERVICES = ("booking", "gateway", "identity")
collect_ignore_glob = [] if "PORTAL_TEST_CONTAINERS" in os.environ else ["test_*.py"]
"""Where nobody asked for them, there need be no engine: ./portal test --containers."""

PATIENCE = 900.0  # seconds: a first build fetches packages


def docker(*arguments: str, given: str = "", within: float = PATIENCE) -> str:
    """Run docker and return what it printed; fail with what it said."""
    done = subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
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
