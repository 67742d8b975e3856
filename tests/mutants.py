"""Does a test catch each bug that was made before? `./portal test --mutants` plants them one at a time."""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_IGNORE = "--ignore="


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


def run(test: str, mutant: str | None) -> int:
    """Run one test in a process of its own and return pytest's exit code."""
    environment = {k: v for k, v in os.environ.items() if k != "PORTAL_MUTANT"}
    if mutant is not None:
        environment["PORTAL_MUTANT"] = mutant
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=300
    ).returncode


def main() -> int:
    """Print one line a mutant and pytest-like totals; 0 when all were caught."""
    planted = mutants(sys.argv[1:])
    sound = {test: run(test, None) for test in dict.fromkeys(planted.values())}
    caught = 0
    for name, test in planted.items():
        # 1 is "tests failed"; anything else would be a test that did not even run.
        ok = sound[test] == 0 and run(test, name) == 1
        caught += ok
        why = "" if sound[test] == 0 else " (it fails without the bug, too)"
        print(f"{'caught  ' if ok else 'SURVIVED'}  {name}  by {test.rpartition('::')[2]}{why}", flush=True)
    print(f"{caught} passed, {len(planted) - caught} failed")
    return 0 if planted and caught == len(planted) else 1


if __name__ == "__main__":
    sys.exit(main())
