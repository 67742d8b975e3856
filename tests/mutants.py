"""Does a test catch each bug that was made before? `./portal test --mutants` plants them, one a process.

They run in lanes; a lane starts no servers before its first bug that needs one.
"""

import asyncio
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.forks import ROOT, Runner, collect

from portal_eventstore.testing.planting import bugs_in
from portal_launcher.faults import Fault
from portal_launcher.lanes import Lane, in_lanes, lanes_here

_IGNORE = "--ignore="
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
    ignored = [Path(path.removeprefix(_IGNORE)) for path in asked if path.startswith(_IGNORE)]
    wanted = [Path(path) for path in asked if not path.startswith("-")] or [Path()]
    return {
        name: test
        for name, (_, test) in planted().items()
        if _is_under(wanted, test) and not _is_under(ignored, test)
    }


def _is_under(paths: Sequence[Path], test: str) -> bool:
    return any(Path(test.partition("::")[0]).is_relative_to(path) for path in paths)


def verdict(code: int, said: str) -> str:
    """Return `caught` where a test ran and failed of what the bug does, `BROKEN` where it failed of else."""
    if code != 1:
        return "SURVIVED"
    return "BROKEN" if _NO_CODE.search(said) or not _FAILED.search(said) else "caught"


@dataclass(frozen=True)
class Run:
    """Tests that run in one process: with a bug, or without one where they must pass."""

    tests: tuple[str, ...]
    bug: str | None
    connected: bool


def runs_of(bugs: Mapping[str, str], connected: Mapping[str, bool]) -> list[Run]:
    """Return what runs, in this order: first what needs no server, and tests before their bugs."""
    # Backwards by their paths: whole portals, which take longest, lie in tests/ and come first.
    tests = sorted(set(bugs.values()), reverse=True)
    sound = [
        Run(tuple(same), None, needs)
        for (needs, _), same in groupby(
            sorted(tests, key=connected.__getitem__), lambda test: (connected[test], test.partition("::")[0])
        )
    ]
    broken = [
        Run((test,), bug, connected[test]) for test in tests for bug, its in bugs.items() if its == test
    ]
    return sorted([*sound, *broken], key=lambda run: run.connected)


class Session:
    """Runs them in lanes and prints one line a bug, pytest-like totals at the end."""

    def __init__(self, runs: Sequence[Run], runners: Sequence[Runner]) -> None:
        self._runs, self._runners = runs, runners
        self._unsound = ""
        self.found: dict[str, str] = {}

    async def run(self) -> int:
        """Return 0 when all were caught."""
        stopped = asyncio.current_task()
        if stopped is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.cancel)
        await in_lanes(self._waiting(), len(self._runners), self._one)
        if self._unsound:
            print(self._unsound, "tests that should catch bugs do not pass without one", sep="\n")
            return 1
        caught = list(self.found.values()).count("caught")
        print(f"{caught} passed, {len(self.found) - caught} failed")
        return 0 if caught == len(self.found) else 1

    def _waiting(self) -> Iterator[Run]:
        for run in self._runs:
            if self._unsound:
                return
            yield run

    async def _one(self, lane: Lane, run: Run) -> None:
        environment = dict(await lane.servers()) if run.connected else {}
        arguments = [*run.tests, "--tb=short"]
        if run.bug is not None:
            environment["PORTAL_MUTANT"] = run.bug
            arguments.append("--maxfail=1")
        began = time.monotonic()
        code, said = await self._runners[lane.number].run(arguments, environment)
        took = f"({time.monotonic() - began:.1f} s)"
        if run.bug is not None:
            found = self.found[run.bug] = verdict(code, said)
            print(f"{found:<8}  {run.bug}  by {run.tests[0].rpartition('::')[2]}  {took}", flush=True)
        elif code:
            self._unsound += said
        else:
            print(f"sound     {run.tests[0].partition('::')[0]}  {took}", flush=True)


def main() -> int:
    """Plant what is asked for."""
    bugs = mutants(sys.argv[1:])
    if not bugs:
        print("there is no such bug")
        return 1
    tests = collect(sorted(set(bugs.values())))
    runs = runs_of(bugs, tests.connected)
    lanes, why = lanes_here()
    alone = sum(not run.connected for run in runs if run.bug)
    print(f"{len(bugs)} bugs, {alone} of them without servers; lanes: {lanes} ({why})", flush=True)
    runners = [Runner(tests) for _ in range(lanes)]
    try:
        return asyncio.run(Session(runs, runners).run())
    finally:
        for runner in runners:
            runner.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Fault as fault:
        sys.exit(str(fault))
