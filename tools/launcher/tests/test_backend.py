"""Is a backend for tests chosen as asked, and refused in one sentence where it cannot be had?"""

from __future__ import annotations

import subprocess
import sys

import pytest

from portal_launcher.backend import CONTAINERS, LOCAL
from portal_launcher.faults import NO_DOCKER, UNKNOWN_BACKEND

NOWHERE = "unix:///nonexistent/docker.sock"


@pytest.fixture(autouse=True)
def _without_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no engine answer, whatever this machine has."""
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    monkeypatch.delenv("PORTAL_TEST_BACKEND", raising=False)


def run(*program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def chosen() -> str:
    return run("-c", "from portal_launcher.backend import chosen; print(chosen())").stdout.strip()


def test_given_no_engine_and_no_wish_when_chosen_then_the_local_one() -> None:
    assert chosen() == LOCAL


@pytest.mark.parametrize("named", [CONTAINERS, LOCAL])
def test_given_a_wish_when_chosen_then_it_is_that_one(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("PORTAL_TEST_BACKEND", named)
    assert chosen() == named


def test_given_containers_are_wanted_and_no_engine_answers_then_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORTAL_TEST_BACKEND", CONTAINERS)
    done = run("-m", "portal_launcher.backend")
    assert (done.returncode, done.stdout) == (NO_DOCKER, "")
    assert done.stderr == ("portal: No Docker engine answers; start one, or say PORTAL_TEST_BACKEND=local.\n")


def test_given_a_backend_that_is_none_then_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_TEST_BACKEND", "cloud")
    done = run("-m", "portal_launcher.backend")
    assert (done.returncode, done.stdout) == (UNKNOWN_BACKEND, "")
    assert done.stderr == "portal: PORTAL_TEST_BACKEND is containers or local, not cloud.\n"
