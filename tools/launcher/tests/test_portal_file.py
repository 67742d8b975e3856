"""Does the file that begins on a bare machine refuse, in one sentence each, what it cannot mend?"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PORTAL = ROOT / "portal"

NO_PIP, WRONG_PYTHON, NO_SPACE, NO_NETWORK, WRONG_MACHINE = 3, 4, 5, 6, 7

PRETEND = """
import os, platform, runpy, sys
{pretence}
sys.argv = ["portal", "up"]
runpy.run_path({path!r}, run_name="__main__")
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy what an installation reads, with no environment yet."""
    copy = tmp_path / "clone"
    for file in [
        PORTAL,
        ROOT / "pyproject.toml",
        ROOT / "requirements.lock",
        *ROOT.glob("*/*/pyproject.toml"),
    ]:
        target = copy / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return copy


def run(
    clone: Path, *, pretence: str = "", path: str | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "UV_CACHE_DIR": str(clone / "cache"), "UV_OFFLINE": "1", **more}
    environment["PATH"] = path if path is not None else f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    code = PRETEND.format(pretence=pretence, path=str(clone / "portal"))
    return subprocess.run(
        [sys._base_executable, "-c", code],  # type: ignore[attr-defined]
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def refused(result: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert result.returncode == code, result.stdout + result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stdout


def fake_uv(folder: Path, says: str) -> str:
    folder.mkdir(exist_ok=True)
    uv = folder / "uv"
    uv.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "{says}" >&2\nexit 2\n')
    uv.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.parametrize("version", ["(2, 7, 18)", "(3, 10, 4)", "(3, 14, 0)"])
def test_given_another_python_when_run_then_refused_with_both_versions(clone: Path, version: str) -> None:
    result = run(clone, pretence=f"sys.version_info = {version}")
    refused(result, WRONG_PYTHON, "needs Python 3.11, 3.12 or 3.13")
    assert not (clone / ".portal").exists()


def test_given_the_file_when_parsed_as_old_python_then_it_is_understood() -> None:
    text = PORTAL.read_text()
    tree = ast.parse(text, feature_version=(3, 4))
    kinds = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Nonlocal)
    assert [node for node in ast.walk(tree) if isinstance(node, kinds)] == []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert all(not function.args.kwonlyargs and function.returns is None for function in functions)
    assert text.isascii(), "Python 2 refuses other letters"


def test_given_no_network_on_the_first_run_when_run_then_refused_in_one_sentence(clone: Path) -> None:
    refused(run(clone), NO_NETWORK, "package index cannot be reached")


def test_given_no_network_and_no_uv_when_run_then_refused_in_one_sentence(clone: Path) -> None:
    result = run(
        clone,
        path="/usr/bin:/bin",
        PIP_INDEX_URL="http://127.0.0.1:9/",
        PIP_RETRIES="0",
        PIP_NO_CACHE_DIR="1",
    )
    refused(result, NO_NETWORK, "package index cannot be reached")


def test_given_neither_uv_nor_pip_when_run_then_the_debian_package_is_named(clone: Path) -> None:
    nothing = "import subprocess; subprocess.call = lambda *_, **__: 1"
    refused(run(clone, path="/usr/bin:/bin", pretence=nothing), NO_PIP, "apt install python3-venv")


def test_given_a_disk_that_is_nearly_full_when_run_then_refused_before_anything_is_fetched(
    clone: Path,
) -> None:
    full = "os.statvfs = lambda _: type('S', (), {'f_bavail': 1000, 'f_frsize': 4096})"
    refused(run(clone, pretence=full), NO_SPACE, "too little disk space")
    assert not (clone / ".portal" / "venv").exists()


def test_given_a_disk_that_fills_while_installing_when_run_then_refused_in_one_sentence(clone: Path) -> None:
    path = fake_uv(clone / "fake", "error: failed to copy: No space left on device (os error 28)")
    refused(run(clone, path=path), NO_SPACE, "too little disk space")


def test_given_a_disk_that_refuses_a_file_when_run_then_refused_in_one_sentence(clone: Path) -> None:
    full = "def full(*_, **__): raise OSError(28, 'No space left on device')\nos.makedirs = full"
    refused(run(clone, pretence=full), NO_SPACE, "too little disk space")


@pytest.mark.parametrize(
    "pretence",
    [
        "platform.machine = lambda: 'aarch64'",
        "platform.libc_ver = lambda: ('', '')",
        "sys.platform = 'darwin'",
    ],
)
def test_given_another_machine_when_run_then_compose_is_named(clone: Path, pretence: str) -> None:
    refused(run(clone, pretence=pretence), WRONG_MACHINE, "docker compose up")
