"""May this tree be merged? One command, every gate, in minutes.

Without a selection all gates run, also after one has failed. What `./portal prove` proves is no part of it.
"""

from __future__ import annotations

import asyncio
import enum
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from portal_launcher.changed import GATES, broken_by, changed_files
from portal_launcher.layout import ROOT
from portal_launcher.proofs import FOLDERS, MOVED, PROOFS, usual_tests
from portal_launcher.suite import Check, Part, Suite

BIN: Final = Path(sys.executable).parent

LONGEST: Final = ("tests/e2e", "shared/eventstore/tests", "tools/launcher/tests")
"""They begin first: a lane that begins one of them last is what all others wait for."""

LOOKS_BACK: Final = "tests/gates/test_every_refusal_is_produced.py"
NO_SERVERS: Final = ("-m", "not connected")

IN_CONTAINERS: Final[Mapping[str, tuple[str, ...]]] = {
    "images and compose": tuple(
        f"tests/containers/test_{name}.py" for name in ("compose_file", "images", "refusals", "a_portal")
    ),
    "PostgreSQL 17": (
        *(
            f"shared/eventstore/tests/test_{name}.py"
            for name in ("store", "races", "publish", "project", "restore", "rebuild")
        ),
        "services/booking/tests/test_free_slots.py",
        "services/gateway/tests/test_timeline.py",
    ),
}
"""What every change must pass there as well; the rest is a proof."""


class Selection(enum.Enum):
    """Which part of the gates to run."""

    ALL = "all"
    UNIT = "unit"
    CHANGED = "changed"
    E2E = "e2e"
    MUTANTS = "mutants"
    CONTAINERS = "containers"


def test(selection: Selection, arguments: list[str]) -> int:
    """Run the gates; 0 when every one passed."""
    return asyncio.run(run_gates(selection, arguments))


async def run_gates(  # noqa: PLR0911  one for each part
    selection: Selection, arguments: list[str]
) -> int:
    """Run the selected gates and sum up."""
    if selection is Selection.MUTANTS:
        return await call(planted_bugs(*arguments))
    if any(is_path(argument) for argument in arguments):
        return await call(pytest(*arguments))
    if selection is Selection.E2E:
        return await call(pytest("tests/e2e", *left_out("tests/e2e"), *arguments))
    if selection is Selection.CONTAINERS:
        smoke = [Part(name, (*files, *arguments)) for name, files in IN_CONTAINERS.items()]
        return await Suite(smoke, servers=False, variables=PROOFS["containers"].variables).run()
    if selection is Selection.UNIT:
        # Few processes: most of what more would take is their start.
        unit = [Part(folder, (folder, *left_out(folder), *NO_SERVERS, *arguments)) for folder in FOLDERS]
        return await Suite(unit, servers=False).run()
    if selection is Selection.CHANGED:
        changes = changed_files()
        folders = {"what imports it": broken_by(changes), GATES: [GATES] if changes else []}
        broken = [
            Part(name, (*paths, *left_out(GATES), *NO_SERVERS, *arguments))
            for name, paths in folders.items()
            if paths
        ]
        return await Suite([*broken, *static_gates()], servers=False).run()
    usual = [
        Part(folder.removesuffix("/tests"), (folder, *left_out(folder), *arguments))
        for folder in usual_folders()
    ]
    look_back = [] if arguments else [Part("every refusal", (LOOKS_BACK,), looks_back=True)]
    return await Suite([*static_gates(), *usual, *look_back]).run()


def static_gates() -> list[Check]:
    """Name the checks that need no servers."""
    return [
        Check(
            "mypy --strict",
            [str(BIN / "mypy"), "--strict", "--no-error-summary", *FOLDERS, "conftest.py"],
        ),
        Check("ruff check", [str(BIN / "ruff"), "check", "--quiet", "--no-cache"]),
        Check("ruff format", [str(BIN / "ruff"), "format", "--check", "--quiet", "--no-cache"]),
        Check("import contracts", [str(BIN / "lint-imports"), "--no-cache"]),
    ]


def usual_folders() -> list[str]:
    """List the folders of the usual run, the longest first; each is a process."""
    found = {str(file.parent) for file in usual_tests()}
    return [*LONGEST, *sorted(found - set(LONGEST))]


def left_out(folder: str) -> Iterator[str]:
    """Leave out of a folder what is run as a proof only, and what looks back on a whole run."""
    return (f"--ignore={path}" for path in (*MOVED, LOOKS_BACK) if path.startswith(folder))


def is_path(argument: str) -> bool:
    """Tell whether an argument names tests rather than an option of pytest."""
    return (ROOT / argument.partition("::")[0]).exists()


def pytest(*arguments: str) -> list[str]:
    """Build a pytest command line."""
    return [sys.executable, "-m", "pytest", *arguments]


def planted_bugs(*arguments: str) -> list[str]:
    """Build the command line of what plants bugs."""
    return [sys.executable, "-m", "tests.mutants", *arguments]


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
