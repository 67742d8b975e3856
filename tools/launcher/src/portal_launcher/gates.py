"""May this tree be merged? One command, every gate, one line each.

Without a selection all gates run, also after one has failed; `--unit`, `--e2e` and `--mutants` run one part.
All but `--containers`, which needs a Docker engine.
"""

from __future__ import annotations

import asyncio
import enum
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from portal_launcher.layout import ROOT
from portal_launcher.progress import show

FOLDERS = ("services", "shared", "tools", "tests")
BIN = Path(sys.executable).parent


class Selection(enum.Enum):
    """Which part of the gates to run."""

    ALL = "all"
    UNIT = "unit"
    E2E = "e2e"
    MUTANTS = "mutants"
    CONTAINERS = "containers"


def static_gates() -> dict[str, list[str]]:
    """Name the checks that need no servers."""
    folders = [folder for folder in FOLDERS if any((ROOT / folder).rglob("*.py"))]
    return {
        "ruff check": [str(BIN / "ruff"), "check", "--quiet", "--no-cache"],
        "ruff format": [str(BIN / "ruff"), "format", "--check", "--quiet", "--no-cache"],
        "mypy --strict": [str(BIN / "mypy"), "--strict", "--no-error-summary", *folders, "conftest.py"],
        "import contracts": [str(BIN / "lint-imports"), "--no-cache"],
    }


def test(selection: Selection, arguments: list[str]) -> int:
    """Run the gates; 0 when every one passed."""
    return asyncio.run(run_gates(selection, arguments))


async def run_gates(selection: Selection, arguments: list[str]) -> int:
    """Run the selected gates one after another and sum up."""
    if selection is Selection.CONTAINERS:
        return await call(pytest("tests/containers", *arguments), {"PORTAL_TEST_CONTAINERS": "yes"})
    if selection is Selection.UNIT:
        return await call(pytest("-m", "not connected", *arguments))
    if selection is Selection.MUTANTS:
        return await call(planted_bugs(*arguments))
    failed = []
    if selection is Selection.ALL:
        for name, command in static_gates().items():
            if not await gate(name, command):
                failed.append(name)
    if await call(pytest(*(["tests/e2e"] if selection is Selection.E2E else []), *arguments)) != 0:
        failed.append("pytest")
    if failed:
        show(f"failed: {', '.join(failed)}")
        return 1
    return 0


def pytest(*arguments: str) -> list[str]:
    """Build a pytest command line."""
    return [sys.executable, "-m", "pytest", *arguments]


def planted_bugs(*arguments: str) -> list[str]:
    """Build the command line of what plants bugs."""
    return [sys.executable, "-m", "tests.mutants", *arguments]


async def gate(name: str, command: list[str]) -> bool:
    """Run one check in silence and print one line; what it found follows only when it failed."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    passed = process.returncode == 0
    show(f"{name:<20}{'passed' if passed else 'FAILED'}  ({time.monotonic() - began:.1f} s)")
    if not passed:
        show(output.decode(errors="replace").rstrip())
    return passed


async def call(command: list[str], environment: Mapping[str, str] | None = None) -> int:
    """Run a command on this terminal."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env={**os.environ, **(environment or {})}
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
