"""Does the repository stay free of what must never be committed, and does its lock follow its dependencies?

The forbidden words are put together here from parts, so that this file does not hold them itself.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

HOSTS = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "repo1." + "maven.org",
    "repo.maven." + "apache.org",
    "maven-" + "central",
    "registry." + "npmjs.org",
    "registry." + "yarnpkg.com",
    "deb." + "debian.org",
    "proxy." + "golang.org",
    "ghcr" + ".io",
    "quay" + ".io",
)
FOLDERS = re.compile(r"(?<![\w.~$}])/(?:ho" + r"me|ro" + r"ot|wo" + r"rk|Us" + r"ers)/[\w.-]")
UNDONE = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
BINARY = {".png", ".ico", ".woff2", ".pdf", ".jpg"}


def tracked() -> list[Path]:
    """List the committed and the about-to-be-committed text files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.fail(f"git could not list the files: {listed.stderr}")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.is_file() and file.suffix not in BINARY]


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for file in tracked()
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def the_portal_file() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("portal_file", str(ROOT / "portal"))
    spec = importlib.util.spec_from_loader("portal_file", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_given_the_tracked_files_when_read_then_none_names_a_registry_host() -> None:
    assert lines_with(re.compile("|".join(map(re.escape, HOSTS)), re.IGNORECASE)) == []


def test_given_the_tracked_files_when_read_then_none_holds_a_path_of_somebodys_machine() -> None:
    assert lines_with(FOLDERS) == []


def test_given_the_tracked_files_when_read_then_nothing_is_left_undone() -> None:
    assert lines_with(UNDONE) == []


def test_given_the_declared_dependencies_when_compared_then_the_lock_was_made_from_them() -> None:
    portal = the_portal_file()
    made_from = (ROOT / "requirements.lock").read_text().splitlines()[1].removeprefix("# ")
    assert made_from == portal.dependencies_digest(), "run ./portal lock and commit requirements.lock"


def test_given_the_lock_when_read_then_every_package_has_a_hash_and_an_exact_version() -> None:
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements.lock").read_text())[1:]
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[\w.\[\],-]+==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def test_given_the_dockerfiles_when_measured_then_no_two_are_of_one_size() -> None:
    # BuildKit takes files of equal name, size and time for one file: one service would get another's image.
    sizes = {file: file.stat().st_size for file in tracked() if file.name == "Dockerfile"}
    assert len(sizes) > 5
    assert sorted(set(sizes.values())) == sorted(sizes.values()), sizes
