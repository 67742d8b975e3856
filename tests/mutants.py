"""Does a test catch each bug that was made before? `./portal test --mutants` plants them one at a time."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from portal_eventstore.testing.planting import bugs_in

ROOT = Path(__file__).resolve().parent.parent
_IGNORE = "--ignore="
_PATIENCE = 900.0  # seconds a test: the people of a portal that never answers again give up after 300
_FAILED = re.compile(r"^FAILED ", re.MULTILINE)
"""In pytest's summary: a test was not kept. `ERROR` is one that did not come to run."""

_NO_CODE = re.compile(r"\b(?:(?:Postgres)?Syntax|Indentation|Ambiguous\w+)Error\b|nothing to mutate")
"""Anything fails of a bug that is no code, whatever it is meant to break."""


def planted() -> dict[str, tuple[Callable[[], None], str]]:
    """Return every bug with what plants it and the id of the test that must fail."""
    found: dict[str, tuple[Callable[[], None], str]] = {}
    for path in sorted([*ROOT.glob("*/*/tests/mutants_*.py"), *ROOT.glob("tests/*/mutants_*.py")]):
        bugs = bugs_in(path)
        assert not found.keys() & bugs, "two bugs have one name"
        found |= bugs
    return found


def mutants(asked: Sequence[str] = ()) -> dict[str, str]:
    """Return every planted bug with the id of the test that must fail, or those in the tests asked for."""
    ignored = tuple(path.removeprefix(_IGNORE) for path in asked if path.startswith(_IGNORE))
    wanted = tuple(path for path in asked if not path.startswith("-")) or ("",)
    found = {name: test for name, (_, test) in planted().items()}
    return {n: test for n, test in found.items() if test.startswith(wanted) and not test.startswith(ignored)}


def run(tests: Sequence[str], mutant: str | None) -> tuple[int, str]:
    """Run tests in a process of their own; return pytest's exit code, -1 when they do not end, and its words.

    What pytest says is told only without a bug, and kept only with one.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PORTAL_MUTANT"}
    if mutant is not None:
        environment["PORTAL_MUTANT"] = mutant
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
            cwd=ROOT,
            env=environment,
            stdout=None if mutant is None else subprocess.PIPE,
            stderr=None if mutant is None else subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_PATIENCE * len(tests),
        )
    except subprocess.TimeoutExpired:
        return -1, ""
    return ended.returncode, ended.stdout or ""


def verdict(code: int, said: str) -> str:
    """Return `caught` where a test ran and failed of what the bug does, `BROKEN` where it failed of else."""
    if code != 1:
        return "SURVIVED"
    return "BROKEN" if _NO_CODE.search(said) or not _FAILED.search(said) else "caught"


def main() -> int:
    """Print one line a mutant and pytest-like totals; 0 when all were caught."""
    bugs = mutants(sys.argv[1:])
    # Together, in one process: that costs a fraction of a process for each. In the order of a whole run, so
    # that portals which share a folder follow one another.
    if not bugs or run(sorted(set(bugs.values())), None)[0] != 0:
        print("no bug was planted: the tests that should catch them do not pass without one")
        return 1
    caught = 0
    for name, test in bugs.items():
        found = verdict(*run([test], name))
        caught += found == "caught"
        print(f"{found:<8}  {name}  by {test.rpartition('::')[2]}", flush=True)
    print(f"{caught} passed, {len(bugs) - caught} failed")
    return 0 if caught == len(bugs) else 1


if __name__ == "__main__":
    sys.exit(main())
