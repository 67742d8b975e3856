"""Does every test belong to `./portal test`, or to a proof that `./portal prove --all` runs?"""

from __future__ import annotations

from pathlib import Path

import pytest

from portal_launcher.gates import IN_CONTAINERS, LONGEST, LOOKS_BACK, usual_folders
from portal_launcher.layout import ROOT
from portal_launcher.proofs import FOLDERS, MOVED, PROOFS

FILES = sorted(
    str(file.relative_to(ROOT)) for folder in FOLDERS for file in (ROOT / folder).rglob("test_*.py")
)


def within(file: str, paths: tuple[str, ...] | list[str]) -> bool:
    return any(Path(file).is_relative_to(path) for path in paths)


@pytest.mark.parametrize("file", FILES)
def test_given_a_file_of_tests_when_it_is_looked_for_then_a_run_or_a_proof_has_it(file: str) -> None:
    usual = within(file, usual_folders()) and not within(file, MOVED)
    proofs = [
        name
        for name, proof in PROOFS.items()
        if within(file, proof.tests) and f"--ignore={file}" not in proof.options
    ]
    assert usual or proofs, f"{file}: neither ./portal test nor a proof of proofs.py runs it"
    assert not (usual and proofs)


def test_given_the_proofs_when_their_tests_are_looked_for_then_they_are_there() -> None:
    also = [path for proof in PROOFS.values() for path in proof.also]
    there = [path for files in IN_CONTAINERS.values() for path in files]
    named = (*MOVED, *also, *there, *LONGEST, LOOKS_BACK)
    assert [path for path in named if not (ROOT / path).exists()] == []
