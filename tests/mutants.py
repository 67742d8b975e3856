"""Does a test catch each bug that was made before? `./portal test --mutants` plants them one at a time."""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_IGNORE = "--ignore="
_PATIENCE = 900.0  # seconds a test: the people of a portal that never answers again give up after 300


def mutants(asked: Sequence[str] = ()) -> dict[str, str]:
    """Return every planted bug with the id of the test that must fail, or those in the tests asked for."""
    found: dict[str, str] = {}
    for path in sorted([*ROOT.glob("*/*/tests/mutants_*.py"), *ROOT.glob("tests/*/mutants_*.py")]):
        spec = spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= {name: test for name, (_, test) in module.MUTANTS.items()}
    ignored = tuple(path.removeprefix(_IGNORE) for path in asked if path.startswith(_IGNORE))
    wanted = tuple(path for path in asked if not path.startswith("-")) or ("",)
    return {n: test for n, test in found.items() if test.startswith(wanted) and not test.startswith(ignored)}


def run(tests: Sequence[str], mutant: str | None) -> int:
    """Run tests in a process of their own and return pytest's exit code, -1 when they do not end.

    What pytest says is told only without a bug.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PORTAL_MUTANT"}
    if mutant is not None:
        environment["PORTAL_MUTANT"] = mutant
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    told = None if mutant is None else subprocess.DEVNULL
    try:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdout=told,
            stderr=told,
            check=False,
            timeout=_PATIENCE * len(tests),
        ).returncode
    except subprocess.TimeoutExpired:
        return -1


def main() -> int:
    """Print one line a mutant and pytest-like totals; 0 when all were caught."""
    planted = mutants(sys.argv[1:])
    # Together, in one process: that costs a fraction of a process for each. In the order of a whole run, so
    # that portals which share a folder follow one another.
    if not planted or run(sorted(set(planted.values())), None) != 0:
        print("no bug was planted: the tests that should catch them do not pass without one")
        return 1
    caught = 0
    for name, test in planted.items():
        # 1 is "tests failed"; anything else would be a test that did not even run.
        ok = run([test], name) == 1
        caught += ok
        print(f"{'caught  ' if ok else 'SURVIVED'}  {name}  by {test.rpartition('::')[2]}", flush=True)
    print(f"{caught} passed, {len(planted) - caught} failed")
    return 0 if caught == len(planted) else 1


if __name__ == "__main__":
    sys.exit(main())
