"""Is everything that the portal refuses explained, and does no explanation outlive its refusal?"""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from tests.services import SERVICES

from booking.app import build_app
from gateway.app import dressed
from gateway.problem_pages.endpoint import read_texts
from gateway.settings import GatewaySettings
from identity.app import rooms
from portal_chassis.app import create_app
from portal_chassis.problems import field_errors
from portal_contract.operations import UNCONNECTED
from portal_eventstore.decision import Refusal

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (*SERVICES, "portal_chassis", "portal_eventstore")
TEXTS = read_texts()

FAULTS = {"Fault": 1, "FieldError": 1, "PydanticCustomError": 0}
"""What makes a field's fault, and which of its arguments is the code."""

TEXTUAL = (
    *("", "x", "0", "-1", "7", "1.5", "9" * 5000, "ż" * 5000, "\x00"),
    *("2026-11-23T12:00:00", "2026-11-23T00:00:00", "2026-02-30", "true"),
)
"""What may stand in a path, a query or a header."""

VALUES: tuple[Any, ...] = (
    *TEXTUAL,
    *(None, True, 0, -1, 7, 10**30, 1.5, "\ud800"),
    *([], ["x"], [None], {}, {"x": 1}),
)
"""What may stand in a body."""


def refusals() -> dict[str, set[int]]:
    """Return the codes of all refusals that the services' packages define, each with its HTTP status."""
    for package in PACKAGES:
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            if ".testing" not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: dict[str, set[int]] = {}
    waiting = [Refusal]
    while waiting:
        cls = waiting.pop()
        waiting.extend(cls.__subclasses__())
        package = cls.__module__.partition(".")[0]
        if "code" in vars(cls) and package in PACKAGES and ".testing" not in cls.__module__:
            found.setdefault(cls.code, set()).add(cls.status)
    return found


async def framework_codes() -> dict[str, set[int]]:
    """Return what is answered where no code of ours refuses: by asking for it."""
    app = create_app("example")

    @app.post("/body")
    async def body(_: dict[str, int]) -> None:
        raise RuntimeError

    asked = [
        ("GET", "/nowhere", b""),
        ("GET", "/body", b""),
        ("POST", "/body", b'"\xff"'),
        ("POST", "/body", b"{}"),
    ]
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        headers = {"content-type": "application/json"}
        answers = [await client.request(m, path, content=sent, headers=headers) for m, path, sent in asked]
    return {answer.json()["type"].removeprefix("/problems/"): {answer.status_code} for answer in answers}


def codes_in_the_source() -> set[str]:
    """Return the codes of fields' faults that our own code writes out."""
    found = set()
    for package in PACKAGES:
        [folder] = importlib.import_module(package).__path__
        for path in Path(folder).rglob("*.py"):
            for call in (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)):
                place = FAULTS.get(getattr(call.func, "id", ""))
                code = None if place is None or len(call.args) <= place else call.args[place]
                if isinstance(code, ast.Constant):
                    found.add(str(code.value))
    return found


def codes_of_the_framework() -> set[str]:
    """Return the codes that come out when every input of every operation is given all that does not fit."""
    found = {"json-invalid"}
    operations = [route for app in apps() for route in described(app.routes)]
    assert len(operations) > 30
    for field, values in (one for operation in operations for one in inputs(operation.dependant)):
        several = values is TEXTUAL and "list[" in str(field.field_info.annotation)
        for value in values:
            errors = field.validate([value] if several else value, {}, loc=("query", "x"))[1]
            found |= {error.code for error in field_errors(errors or [])}
        for model in models(field.field_info.annotation):
            found |= codes_of_model(model)
    return found


def codes_of_model(model: type[BaseModel]) -> set[str]:
    """Return the codes that a body's model answers with."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    found: set[str] = set()
    for value in [{}, {"no such field": 1}, *({name: value} for name in names for value in VALUES)]:
        try:
            TypeAdapter(model).validate_python(value, from_attributes=True)  # as FastAPI does
        except ValidationError as error:
            found |= {fault.code for fault in field_errors(error.errors())}
    return found


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Find the models in a type, and in their fields."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for inner in get_args(annotation):
        yield from models(inner)


def described(routes: Iterable[Any]) -> Iterator[APIRoute]:
    """Return the operations among routes and in the routers that were included among them."""
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            yield route
        elif hasattr(route, "original_router"):
            yield from described(route.original_router.routes)


def inputs(dependant: Dependant) -> Iterator[tuple[Any, Iterable[Any]]]:
    """Return the fields that an operation and what it depends on read, and what may be in them."""
    for field in (*dependant.path_params, *dependant.query_params, *dependant.header_params):
        yield field, TEXTUAL
    for field in dependant.body_params:
        yield field, VALUES
    for inner in dependant.dependencies:
        yield from inputs(inner)


def apps() -> list[FastAPI]:
    """Return the services' apps, made and not started."""
    gateway = dressed(create_app("gateway"), GatewaySettings.from_environment(UNCONNECTED))
    return [build_app(), rooms(), gateway]


async def test_given_the_refusals_when_looked_up_then_each_has_a_page_with_its_status() -> None:
    explained = {code: {problem.status} for code, problem in TEXTS.problem.items()}
    assert explained == refusals() | await framework_codes()


def test_given_the_faults_of_fields_when_looked_up_then_each_is_explained_and_no_other() -> None:
    assert set(TEXTS.field) == codes_in_the_source() | codes_of_the_framework()
