"""Which tests can break of what was changed since the last commit? Those that import it, by any way."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from portal_launcher.layout import ROOT
from portal_launcher.proofs import usual_tests

GATES: Final = "tests/gates"
"""They look at files, whatever imports them: pages, locks, contracts, planted bugs."""


def changed_files(base: str = "HEAD", root: Path = ROOT) -> set[Path]:
    """Return the files that differ from a commit, by old and new names, and those that git does not know."""
    found = set[Path]()
    for command in (
        ["git", "diff", "--name-only", "--no-renames", "-z", base],
        ["git", "ls-files", "--others", "--exclude-standard", "-z"],
    ):
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603
        found |= {Path(name) for name in done.stdout.split("\0") if name}
    return found


def broken_by(changed: Iterable[str | Path]) -> list[str]:
    """Return the test files that import something changed, directly or not; gates may break of anything."""
    files = [PurePosixPath(file) for file in changed]
    touched = set(files) | {beside for file in files if file.suffix != ".py" for beside in neighbours(file)}
    broken = downstream({name for file in touched if (name := module(file))})
    return [
        str(test)
        for test in usual_tests()
        if not test.is_relative_to(GATES)
        if not touched.isdisjoint(local(test)) or not broken.isdisjoint(imported(test))
    ]


def neighbours(file: PurePosixPath) -> list[PurePosixPath]:
    """Return the modules beside a file that is none: SQL and templates belong to whoever stands with them."""
    return [PurePosixPath(each.relative_to(ROOT)) for each in (ROOT / file).parent.glob("*.py")]


def module(file: PurePosixPath) -> str | None:
    """Name the module that a file of a `src` folder is."""
    if file.suffix != ".py" or "src" not in file.parts:
        return None
    parts = file.with_suffix("").parts[file.parts.index("src") + 1 :]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def downstream(modules: set[str]) -> set[str]:
    """Add every module that imports one of these, directly or not."""
    import grimp  # noqa: PLC0415  for this alone, and not among what `./portal up` needs

    packages = {file.parent.name for file in ROOT.glob("*/*/src/*/__init__.py")}
    graph = grimp.build_graph(*sorted(packages), cache_dir=None)
    found = set(modules)
    for name in modules & graph.modules:
        found |= graph.find_downstream_modules(name)
    return found


@cache
def local(file: PurePosixPath) -> frozenset[PurePosixPath]:
    """Return a test file, what it has from beside it, and every conftest.py above it."""
    found, waiting = set[PurePosixPath](), [file, *(folder / "conftest.py" for folder in file.parents)]
    while waiting:
        one = waiting.pop()
        if one not in found and (ROOT / one).is_file():
            found.add(one)
            waiting += imports(one)[1]
    return frozenset(found)


def imported(test: PurePosixPath) -> set[str]:
    """Return the modules that a test file names in imports, its own helpers' included."""
    return {name for file in local(test) for name in imports(file)[0]}


@cache
def imports(file: PurePosixPath) -> tuple[frozenset[str], frozenset[PurePosixPath]]:
    """Return the modules and the files beside it that a file imports; a name may be a module, too."""
    modules, beside = set[str](), set[PurePosixPath]()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else []
            if node.level:
                names = names or [alias.name for alias in node.names]
                beside |= {file.parent / f"{name}.py" for name in names}
            else:
                modules |= {*names, *(f"{node.module}.{alias.name}" for alias in node.names)}
    # What several folders of tests share stands above them, and is no installed module.
    beside |= {
        PurePosixPath(*name.split(".")).with_suffix(".py") for name in modules if name.startswith("tests.")
    }
    return frozenset(modules), frozenset(beside)
