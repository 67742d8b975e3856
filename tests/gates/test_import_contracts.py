"""Does each import contract catch the import that it forbids? Each is planted in a copy of the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")


@dataclass(frozen=True)
class Planted:
    """A forbidden import and the contract that must name it."""

    contract: str
    module: str
    imported: str


PLANTED = (
    Planted("independent-services", "booking.planted_slice.decide", "identity"),
    Planted("layers", "portal_events.planted", "portal_eventstore"),
    Planted("layers", "portal_eventstore.planted", "portal_chassis"),
    Planted("layers", "portal_chassis.planted", "booking"),
    Planted("pure-events", "portal_events.planted", "fastapi"),
    Planted("pure-events", "portal_events.planted", "aiokafka"),
    Planted("pure-decisions", "booking.planted_slice.decide", "asyncpg"),
    Planted("pure-decisions", "identity.planted_slice.decide", "portal_chassis"),
    Planted("pure-decisions", "booking.rules.planted", "faststream"),
    Planted("pure-store", "portal_eventstore.decision", "asyncpg"),
    Planted("pure-store", "portal_eventstore.spec", "aiokafka"),
    Planted("slices-of-booking", "booking.planted_slice.endpoint", "booking.planted_other.endpoint"),
    Planted("slices-of-booking", "booking.rules.planted", "booking.planted_other.endpoint"),
    Planted("slices-of-booking", "booking.planted_slice.endpoint", "booking.app"),
    Planted("slices-of-identity", "identity.planted_slice.endpoint", "identity.planted_other.endpoint"),
    Planted("slices-of-gateway", "gateway.planted_slice.endpoint", "gateway.planted_other.endpoint"),
    Planted("tools-ship-nothing", "booking.planted_slice.endpoint", "portal_demo"),
    Planted("tools-ship-nothing", "portal_chassis.planted", "portal_launcher"),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the packages and the contracts."""
    copy = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for source in sources():
        shutil.copytree(source, copy / source.relative_to(ROOT), ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def sources() -> list[Path]:
    return sorted(path for parent in ("services", "shared", "tools") for path in ROOT.glob(f"{parent}/*/src"))


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(tree / source.relative_to(ROOT)) for source in sources())
    return subprocess.run(
        [LINTER, "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def contract_names() -> dict[str, str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {contract["id"]: contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]}


def plant(tree: Path, planted: Planted) -> dict[Path, str | None]:
    """Write both ends of the import; return what was there before, None for what was not."""
    before: dict[Path, str | None] = {}
    ends = [(planted.module, f"import {planted.imported}\n")]
    if ".planted_other." in planted.imported or planted.imported.endswith(".app"):
        ends.append((planted.imported, ""))
    for module, text in ends:
        package, *rest = module.split(".")
        folder = next(tree.glob(f"*/*/src/{package}"))
        for part in rest[:-1]:
            folder = folder / part
            folder.mkdir(exist_ok=True)
            init = folder / "__init__.py"
            if not init.exists():
                before[init] = None
                init.touch()
        file = folder / f"{rest[-1]}.py"
        before[file] = file.read_text() if file.exists() else None
        file.write_text((before[file] or "") + text)
    return before


def restore(before: dict[Path, str | None]) -> None:
    for file, text in before.items():
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
    for folder in {file.parent for file in before}:
        if not [path for path in folder.iterdir() if path.name != "__pycache__"]:
            shutil.rmtree(folder)


def test_given_the_tree_as_it_is_when_linted_then_every_contract_is_kept(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout + result.stderr


def test_given_the_contracts_when_listed_then_each_has_a_planted_import() -> None:
    assert {planted.contract for planted in PLANTED} == set(contract_names())


@pytest.mark.parametrize(
    "planted", PLANTED, ids=lambda planted: f"{planted.module}-imports-{planted.imported}"
)
def test_given_a_forbidden_import_when_linted_then_its_contract_is_broken(
    tree: Path, planted: Planted
) -> None:
    before = plant(tree, planted)
    try:
        result = lint(tree)
    finally:
        restore(before)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract_names()[planted.contract]} BROKEN" in result.stdout
