"""How is a bug planted so that whoever has imported its place has the bug, too, and in which file is that?

A change names public things and the text of a statement: a statement that has moved into another function of
its module is still found, one that is gone or stands there twice is an error.
"""

import ast
import inspect
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

_Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Change:
    """A change of the product: in which files, and what makes it in this process."""

    places: frozenset[Path]
    make: Callable[[], object]


@dataclass(frozen=True)
class Bug:
    """A bug that was made before, and the id of the test that must fail of it."""

    change: Change
    test: str


def bugs_in(path: Path) -> Mapping[str, Bug]:
    """Return the bugs of a mutants_*.py by their names."""
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise AssertionError(f"cannot be imported: {path}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Mapping[str, Bug] = module.MUTANTS
    return found


def plant_named(folder: Path) -> None:
    """Plant the bug that PORTAL_MUTANT names, if it is one of the folder's; a test's child processes, too."""
    name = os.environ.get("PORTAL_MUTANT", "")
    for path in sorted(folder.glob("mutants_*.py")) if name else ():
        bugs = bugs_in(path)
        if name in bugs:
            bugs[name].change.make()


def rewrite(holder: Any, old: str, new: str) -> Change:
    """Write another text into the one statement of a module, a class or a function that holds the old."""

    def make() -> None:
        if isinstance(holder, ModuleType | type):
            _rewrite_in(holder, old, new)
        else:
            _rewrite_function(holder, old, new)

    return Change(frozenset({file_of(holder)}), make)


def put(holder: Any, name: str, value: Any) -> Change:
    """Put something else in the place of a module's or a class's name."""

    def make() -> None:
        if not hasattr(holder, name):
            raise AssertionError(f"nothing to mutate: {name!r}")
        setattr(holder, name, value)

    return Change(frozenset({file_of(holder)}), make)


def reword(holder: Any, name: str, old: str, new: str) -> Change:
    """Write another text into a public text, as one module knows it that has imported it."""

    def make() -> None:
        text = getattr(holder, name)
        if old not in text:
            raise AssertionError(f"nothing to mutate: {old!r}")
        setattr(holder, name, text.replace(old, new))

    return Change(frozenset({file_of(holder)}), make)


def replacing(holder: Any, name: str) -> Callable[[Any], Change]:
    """Put the decorated function in the place of another."""
    return lambda function: put(holder, name, function)


def together(*changes: Change) -> Change:
    """Make several changes at once."""

    def make() -> None:
        for change in changes:
            change.make()

    return Change(frozenset().union(*(change.places for change in changes)), make)


def file_of(holder: Any) -> Path:
    """Return the file in which a module, a class, a function or a method is written."""
    bare = _bare(holder)
    return Path(inspect.getfile(bare.__code__ if isinstance(bare, FunctionType) else bare))


def _rewrite_in(holder: ModuleType | type, old: str, new: str) -> None:
    source = inspect.getsource(holder)
    body = ast.parse(source).body
    if isinstance(body[0], ast.ClassDef) and isinstance(holder, type):
        body = body[0].body
    lines = source.splitlines(keepends=True)
    found = [
        (owner, node, text)
        for owner, node in _statements(holder, body)
        if old in (text := "".join(lines[node.lineno - 1 : node.end_lineno]))
    ]
    if len(found) != 1:
        raise AssertionError(f"nothing to mutate: {old!r} is in {len(found)} statements of {holder.__name__}")
    owner, node, text = found[0]
    if isinstance(node, _Definition):
        _rewrite_function(inspect.getattr_static(owner, node.name), old, new)
        return
    changed: dict[str, Any] = {}
    around = vars(owner if isinstance(owner, ModuleType) else sys.modules[owner.__module__])
    exec(textwrap.dedent(text.replace(old, new)), dict(around), changed)  # noqa: S102  our own text
    for name, value in changed.items():
        setattr(owner, name, value)


def _statements(
    owner: ModuleType | type, body: list[ast.stmt]
) -> Iterator[tuple[ModuleType | type, ast.stmt]]:
    """Yield every statement of a module or a class, and of the classes in it, with whose it is."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _statements(getattr(owner, node.name), node.body)
        else:
            yield owner, node


def _rewrite_function(function: Any, old: str, new: str) -> None:
    """Give a function or a method other code, beneath its decorators."""
    bare = _bare(function)
    if not isinstance(bare, FunctionType):
        raise TypeError(f"not a function: {function!r}")
    text = inspect.getsource(bare)
    if old not in text:
        raise AssertionError(f"nothing to mutate: {old!r}")
    changed, method = text.replace(old, new), text.startswith(" ")
    namespace = dict(bare.__globals__)
    exec(f"class Held:\n{changed}" if method else changed, namespace)  # noqa: S102  our own text
    holder = vars(namespace["Held"]) if method else namespace
    bare.__code__ = _bare(holder[bare.__name__]).__code__
    if hasattr(function, "cache_clear"):
        function.cache_clear()


def _bare(thing: Any) -> Any:
    """Return the function within what is made of functions, and anything else as it is."""
    if isinstance(thing, property):
        thing = thing.fget
    if isinstance(thing, cached_property):
        thing = thing.func
    return inspect.unwrap(getattr(thing, "__func__", thing))
