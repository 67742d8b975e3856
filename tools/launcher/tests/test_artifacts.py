"""Are downloads that are not the locked bytes refused, and is a missing network or disk told plainly?"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from portal_launcher import artifacts, up
from portal_launcher.faults import BROKEN, NO_NETWORK, NO_SPACE, Fault
from portal_launcher.layout import Layout


def test_given_a_file_that_differs_by_a_byte_when_verified_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = tmp_path / "a-1.jar"
    jar.write_bytes(b"right")
    digest = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9"
    monkeypatch.setattr(artifacts, "locked_files", lambda _: {"a-1.jar": digest})
    artifacts.verify("a", [jar])
    jar.write_bytes(b"wrong")
    with pytest.raises(Fault, match="SHA-256 differs") as refused:
        artifacts.verify("a", [jar])
    assert refused.value.code == BROKEN


@pytest.mark.parametrize("name", ["kafka", "postgres"])
def test_given_the_lock_when_read_then_every_file_has_a_digest(name: str) -> None:
    files = artifacts.locked_files(name)
    assert files
    assert all(len(digest) == 64 for digest in files.values())


def test_given_no_network_when_fetching_then_one_sentence_and_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(Fault, match="could not be downloaded") as refused:
        artifacts.fetch("postgres", tmp_path)
    assert refused.value.code == NO_NETWORK
    assert list(tmp_path.iterdir()) == []


def test_given_a_disk_that_fills_while_downloading_when_fetching_then_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = subprocess.CompletedProcess[str]([], 1, "", "OSError: [Errno 28] No space left on device")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: full)
    with pytest.raises(Fault, match="too little disk space") as refused:
        artifacts.fetch("postgres", tmp_path)
    assert refused.value.code == NO_SPACE


def test_given_a_full_disk_when_up_then_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    layout = Layout(state=tmp_path / "state", demo=tmp_path / "demo.json", root=tmp_path)
    with pytest.raises(Fault, match="too little disk space") as refused:
        up.up(up.Options(), layout)
    assert refused.value.code == NO_SPACE


def test_given_a_disk_that_fills_while_starting_when_up_then_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(up, "stop_what_was_left", full)
    layout = Layout(state=tmp_path / "state", demo=tmp_path / "demo.json", root=tmp_path)
    with pytest.raises(Fault, match="too little disk space") as refused:
        up.up(up.Options(), layout)
    assert refused.value.code == NO_SPACE
