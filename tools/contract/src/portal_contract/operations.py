"""Which operations does the public API have, and which service's operation stands behind each?

The gateway's app is the list. Behind a forwarded path stands the service's operation at the same path without
/api; an operation of the gateway's own names the one that it asks in `x-asks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from booking.app import build_app
from gateway.app import dressed
from gateway.forward.routes import ROUTES
from gateway.settings import GatewaySettings
from identity.app import rooms
from portal_chassis.app import create_app
from portal_chassis.problems import MEDIA_TYPE, Invalid

PREFIX: Final = "/api"
ASKS: Final = "x-asks"
OWN_HEADERS: Final = frozenset({"idempotency-key", "portal-position"})
"""Headers that the contract describes once for all operations."""

UNCONNECTED: Final = {
    # A description needs no server and no key: the app is made, and not started.
    "DATABASE_URL": "postgresql://nowhere",
    "KAFKA_BOOTSTRAP_SERVERS": "nowhere:1",
    "HTTP_PORT": "1",
    "GATEWAY_SIGNING_KEY_FILE": "nowhere",
    "BOOKING_URL": "http://nowhere",
    "IDENTITY_URL": "http://nowhere",
    "PUBLIC_URL": "http://127.0.0.1:8080",
}


@dataclass(frozen=True)
class Refused:
    """One way in which an operation refuses."""

    code: str
    status: int
    title: str


@dataclass(frozen=True)
class Operation:
    """One operation as one app describes it; `schemas` are what its references name."""

    app: str
    method: str
    path: str
    description: Mapping[str, Any]
    schemas: Mapping[str, Any]

    @property
    def parameters(self) -> list[Mapping[str, Any]]:
        """The parameters that are this operation's own matter."""
        listed: list[Mapping[str, Any]] = self.description.get("parameters", [])
        return [p for p in listed if p["name"].lower() not in OWN_HEADERS]

    @property
    def takes_key(self) -> bool:
        """Tell whether the operation reads an Idempotency-Key."""
        return any(p["name"].lower() == "idempotency-key" for p in self.description.get("parameters", []))

    @property
    def refusals(self) -> dict[str, Refused]:
        """What `responses=` lists, by code.

        Every app lists `invalid` for everything; what has neither body nor query cannot be invalid.
        """
        found = {
            code: Refused(code, int(status), example["value"]["title"])
            for status, response in self.description["responses"].items()
            for code, example in response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}).items()
        }
        checked = "requestBody" in self.description or any(p["in"] == "query" for p in self.parameters)
        if not checked:
            found.pop(Invalid.code, None)
        return found


@dataclass(frozen=True)
class PublicOperation:
    """One operation of the public API: the gateway's side, and what it asks, if anything."""

    own: Operation
    asked: Operation | None
    forwarded: bool

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.own.method

    @property
    def path(self) -> str:
        """The path, with names in braces."""
        return self.own.path

    @property
    def needs_session(self) -> bool:
        """Tell whether a visitor is refused."""
        return "not-signed-in" in self.refusals

    @property
    def takes_key(self) -> bool:
        """Tell whether the operation reads an Idempotency-Key."""
        return (self.asked or self.own).takes_key

    @property
    def refusals(self) -> dict[str, Refused]:
        """Every way to be refused: by the gateway itself or by the service behind it."""
        asked = {} if self.asked is None else self.asked.refusals
        return {**asked, **self.own.refusals}


def shape(path: str) -> str:
    """Return the path with its parameters' names left out: apps may name them differently."""
    return re.sub(r"\{[^}]*\}", "{}", path)


@cache
def public_operations() -> tuple[PublicOperation, ...]:
    """List the public API in the order of paths and methods."""
    services = {(one.app, one.method, shape(one.path)): one for one in service_operations()}
    forwarded = {(route.method, shape(route.path)): route.service for route in ROUTES}
    gateway = dressed(create_app("gateway"), GatewaySettings.from_environment(UNCONNECTED))
    found = []
    for own in operations_of("gateway", gateway.openapi()):
        place = (own.method, shape(own.path))
        asks = str(own.description.get(ASKS, ""))
        if place in forwarded:
            asks = f"{forwarded[place]} {own.method} {own.path.removeprefix(PREFIX)}"
        asked = None
        if asks:
            service, method, path = asks.split()
            asked = services.get((service, method, shape(path)))
            if asked is None:
                raise LookupError(f"{own.method} {own.path} asks for {asks}, which is not there")
        found.append(PublicOperation(own, asked, place in forwarded))
    return tuple(sorted(found, key=lambda one: (one.path, one.method)))


@cache
def service_operations() -> tuple[Operation, ...]:
    """List what the services answer to the gateway."""
    apps = {"booking": build_app(), "identity": rooms()}
    return tuple(one for name, app in apps.items() for one in operations_of(name, app.openapi()))


def operations_of(app: str, document: Mapping[str, Any]) -> Iterator[Operation]:
    """List the operations of one app's own description."""
    schemas = document.get("components", {}).get("schemas", {})
    for path, methods in document["paths"].items():
        for method, description in methods.items():
            yield Operation(app, method.upper(), path, description, schemas)
