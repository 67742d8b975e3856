"""How is a bug planted in a function or in SQL, so that whoever has imported it has the bug, too?

Each returns what plants it (tests/mutants.py runs one a process); text that is not there is an error, so that
a bug whose place has changed is noticed.
"""

import inspect
import os
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import FunctionType
from typing import Any


def bugs_in(path: Path) -> dict[str, tuple[Callable[[], None], str]]:
    """Return the bugs of a mutants_*.py: by name, what plants each and the id of the test that must fail."""
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise AssertionError(f"cannot be imported: {path}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, tuple[Callable[[], None], str]] = module.MUTANTS
    return found


def plant_named(folder: Path) -> None:
    """Plant the bug that PORTAL_MUTANT names, if it is one of the folder's; a test's child processes, too."""
    name = os.environ.get("PORTAL_MUTANT")
    for path in sorted(folder.glob("mutants_*.py")) if name else ():
        bugs = bugs_in(path)
        if name in bugs:
            plant, _ = bugs[name]
            plant()


def rewrite(function: Any, old: str, new: str) -> Callable[[], None]:
    """Plant other code into a function or a method, beneath its decorators."""

    def plant() -> None:
        bare = inspect.unwrap(function)
        if not isinstance(bare, FunctionType):
            raise TypeError(f"not a function: {function!r}")
        text = inspect.getsource(bare)
        changed, method = _changed(text, old, new), text.startswith(" ")
        namespace = dict(bare.__globals__)
        exec(f"class Held:\n{changed}" if method else changed, namespace)  # noqa: S102  our own text
        holder = vars(namespace["Held"]) if method else namespace
        bare.__code__ = inspect.unwrap(holder[bare.__name__]).__code__

    return plant


def reword(module: Any, name: str, old: str, new: str) -> Callable[[], None]:
    """Plant other words into a module's text, its SQL for example."""

    def plant() -> None:
        setattr(module, name, _changed(getattr(module, name), old, new))

    return plant


def _changed(text: str, old: str, new: str) -> str:
    if old not in text:
        raise AssertionError(f"nothing to mutate: {old!r}")
    return text.replace(old, new)
