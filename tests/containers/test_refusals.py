"""Does one sentence say what is missing or in the way of a portal of containers?"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from testcontainers.core.config import testcontainers_config

from portal_launcher import throwaway_containers
from portal_launcher.faults import DID_NOT_START, Fault
from portal_launcher.layout import ROOT

from .conftest import PATIENCE

PROJECT = "portal-test-refused"


def compose(folder: Path, *arguments: str, **told: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", "compose", *arguments],
        cwd=folder,
        env={**os.environ, "COMPOSE_PROJECT_NAME": PROJECT, **told},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("reaped", [False, True])
def test_given_no_image_when_a_test_wants_servers_then_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
    reaped: bool,  # noqa: FBT001
) -> None:
    # With testcontainers' reaper, its image is the first that is wanted.
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", not reaped)
    monkeypatch.setattr(testcontainers_config, "ryuk_image", "portal-no-such-image:1")
    monkeypatch.setattr(
        throwaway_containers, "POSTGRES", "postgres:17" if reaped else "portal-no-such-image:1"
    )
    with (
        pytest.raises(
            Fault, match=r"^portal-no-such-image:1 cannot be had or started \(.*=local needs none\.$"
        ) as refused,
        throwaway_containers.throwaway_containers({}),
    ):
        pass
    assert refused.value.code == DID_NOT_START


def test_given_a_port_in_use_when_brought_up_then_it_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        try:
            done = compose(ROOT, "up", "--detach", "--no-deps", "mailbox", PORTAL_MAILBOX_PORT=str(port))
            assert done.returncode != 0
            [sentence] = [line for line in done.stderr.splitlines() if "Error" in line]
            assert f"127.0.0.1:{port}" in sentence
            assert "in use" in sentence or "already allocated" in sentence
        finally:
            compose(ROOT, "down", "--volumes")


def test_given_data_and_a_lost_key_when_brought_up_then_one_sentence_names_it_and_nothing_starts(
    tmp_path: Path,
) -> None:
    # The files of a clone of its own: only they say where its secrets are.
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    shutil.copytree(ROOT / "containers", tmp_path / "containers", ignore=shutil.ignore_patterns("secrets"))
    (tmp_path / "containers" / "secrets").mkdir()
    try:
        done = compose(tmp_path, "up", "--detach", "--no-build", "--wait", "postgres")
        assert done.returncode == 0, done.stderr
        compose(tmp_path, "down")
        for file in (tmp_path / "containers" / "secrets").glob("*/key-encryption-key"):
            file.unlink()
        refused = compose(tmp_path, "up", "--detach", "--no-build", "--wait", "postgres")
        assert refused.returncode != 0
        said = (
            compose(tmp_path, "logs", "--no-color", "--no-log-prefix", "secrets").stdout.strip().splitlines()
        )
        assert len(said) == 1
        assert "lacks key-encryption-key: bring the files back" in said[0]
        assert compose(tmp_path, "ps", "--quiet", "postgres").stdout == ""
    finally:
        compose(tmp_path, "down", "--volumes")
