"""Does no request pay for a thread? FastAPI sends a plain function to one, whatever little it does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def called_for_each_request(tree: ast.Module) -> Iterator[str]:
    """Yield the names in `Depends(name)` and of what decorators of routers make endpoints."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name("Depends"), args=[ast.Name(name)]):
                yield name
            case ast.FunctionDef(name=name, decorator_list=decorators):
                owners = [
                    d.func.value
                    for d in decorators
                    if isinstance(d, ast.Call) and isinstance(d.func, ast.Attribute)
                ]
                if any(isinstance(owner, ast.Name) and owner.id in {"router", "app"} for owner in owners):
                    yield name


def test_given_all_dependencies_and_endpoints_then_each_is_a_coroutine() -> None:
    sent_to_threads = []
    for folder in ("services", "shared"):
        for file in sorted((ROOT / folder).glob("*/src/**/*.py")):
            tree = ast.parse(file.read_text())
            plain = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            sent_to_threads += [
                f"{file.relative_to(ROOT)}: {name}" for name in called_for_each_request(tree) if name in plain
            ]
    assert not sent_to_threads
