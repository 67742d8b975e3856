"""Does a test catch each bug that was made before? `./portal test --mutants` plants them, one a process.

They run in lanes; a lane starts no servers before its first bug that needs one.
"""

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.forks import ROOT, Runner, collect

from portal_eventstore.testing.planting import Bug, bugs_in
from portal_launcher.changed import changed_files
from portal_launcher.faults import Fault
from portal_launcher.lanes import Lane, in_lanes, lanes_here
from portal_launcher.progress import complain

_ALL, _IGNORE = "--all", "--ignore="
_COMMITS = 10
_USAGE = 2  # an exit code, as argparse's
_FAILED = re.compile(r"^FAILED ", re.MULTILINE)
"""In pytest's summary: a test was not kept. `ERROR` is one that did not come to run."""

_NO_CODE = re.compile(r"\b(?:(?:Postgres)?Syntax|Indentation|Ambiguous\w+)Error\b|nothing to mutate")
"""Anything fails of a bug that is no code, whatever it is meant to break."""


@dataclass(frozen=True)
class Planted:
    """A bug, and the files, of this repository, in which it has its place, its test and itself."""

    bug: Bug
    files: frozenset[Path]


def planted() -> dict[str, Planted]:
    """Return every bug by its name."""
    found: dict[str, Planted] = {}
    for path in sorted([*ROOT.glob("*/*/tests/mutants_*.py"), *ROOT.glob("tests/*/mutants_*.py")]):
        bugs = bugs_in(path)
        assert not found.keys() & bugs.keys(), "two bugs have one name"
        for name, bug in bugs.items():
            files = {path, *bug.change.places, ROOT / _file(bug.test)}
            found[name] = Planted(bug, frozenset(file.relative_to(ROOT) for file in files))
    return found


def _file(test: str) -> Path:
    return Path(test.partition("::")[0])


def chosen(asked: Sequence[str], bugs: Mapping[str, Planted]) -> tuple[dict[str, Bug], str]:
    """Return the bugs that are asked for, and in words what they have in common.

    Asked for are, by folders and files of tests, the bugs that these catch; or `--all`; or those of which
    anything has changed since the base that is given, or since `usual_base`.
    """
    ignored = [Path(path.removeprefix(_IGNORE)) for path in asked if path.startswith(_IGNORE)]
    paths = [Path(path) for path in asked if (ROOT / path).exists()]
    others = [word for word in asked if not word.startswith(_IGNORE) and Path(word) not in paths]
    if others == [_ALL] or ((paths or ignored) and not others):
        wanted, why = paths or [Path()], "asked for"
        found = {n: p.bug for n, p in bugs.items() if _is_under(wanted, _file(p.bug.test))}
    elif len(others) <= 1:
        base = commit(others[0]) if others else usual_base()
        since = changed_files(base)
        found, why = {n: p.bug for n, p in bugs.items() if p.files & since}, f"changed since {base[:12]}"
    else:
        raise Fault(_USAGE, f"There is one base, and these are several: {', '.join(others)}.")
    return {n: bug for n, bug in found.items() if not _is_under(ignored, _file(bug.test))}, why


def _is_under(paths: Sequence[Path], file: Path) -> bool:
    return any(file.is_relative_to(path) for path in paths)


def usual_base(root: Path = ROOT) -> str:
    """Return where HEAD left `origin/main`; where it did not leave it, the tenth commit before HEAD."""
    forked = git(root, "merge-base", "HEAD", "origin/main")
    if forked and forked != git(root, "rev-parse", "HEAD"):
        return forked[0]
    return git(root, "rev-list", f"--max-count={_COMMITS + 1}", "HEAD")[-1]


def commit(name: str) -> str:
    """Return the id of a commit; raises Fault."""
    found = git(ROOT, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if not found:
        raise Fault(_USAGE, f"{name} is no commit and no file here; --all plants every bug.")
    return found[0]


def git(root: Path, *arguments: str) -> list[str]:
    """Return what git prints, by lines or zeros; nothing where it fails."""
    ended = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return re.split(r"[\n\0]", ended.stdout.rstrip("\n\0")) if ended.stdout and not ended.returncode else []


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


def main(asked: Sequence[str]) -> int:
    """Plant what is asked for."""
    known = planted()
    bugs, why = chosen(asked, known)
    print(f"{len(bugs)} of {len(known)} planted bugs: {why}")
    if not bugs:
        return 0
    tests = collect(sorted({bug.test for bug in bugs.values()}))
    runs = runs_of({name: bug.test for name, bug in bugs.items()}, tests.connected)
    lanes, carried = lanes_here()
    alone = sum(not run.connected for run in runs if run.bug)
    print(f"{alone} of them without servers; lanes: {lanes} ({carried})", flush=True)
    runners = [Runner(tests) for _ in range(lanes)]
    try:
        return asyncio.run(Session(runs, runners).run())
    finally:
        for runner in runners:
            runner.close()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Fault as fault:
        complain(str(fault))
        sys.exit(fault.code)
