"""What would a proper request to any operation be? Made from its description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from portal_contract.operations import Operation

SAMPLES: dict[tuple[str, str], Any] = {
    # Bodies with rules that a schema cannot say.
    ("POST", "/accounts"): {
        "email": "jan.kowalski@example.org",
        "password": "zielony parasol na dachu",
        "givenName": "Jan",
        "familyName": "Kowalski",
        "pesel": "44051401359",
        "phone": "+48600100200",
        "language": "pl",
        "consents": {"regulations": True, "privacy": True},
    },
}
"""By method and the service's path."""

OF_FORMAT = {"date": "2026-11-23", "date-time": "2026-11-23T12:00:00Z"}


def path_of(path: str, some_id: object) -> str:
    """Fill a path's braces."""
    start, brace, rest = path.partition("{")
    return start if not brace else f"{start}{some_id}{path_of(rest.partition('}')[2], some_id)}"


def body_of(one: Operation, some_id: object) -> Any:
    """Return a body that the operation accepts; None where it reads none."""
    content = one.description.get("requestBody", {}).get("content", {})
    if not content:
        return None
    if (one.method, one.path) in SAMPLES:
        return SAMPLES[one.method, one.path]
    return value_of(content["application/json"]["schema"], one.schemas, some_id)


def query_of(one: Operation, some_id: object) -> str:
    """Return a query with what the operation requires."""
    required = [p for p in one.parameters if p["in"] == "query" and p.get("required")]
    return urlencode({p["name"]: value_of(p["schema"], one.schemas, some_id) for p in required})


def nonsense_of(one: Operation) -> str:
    """Return a query in which nothing means anything."""
    return urlencode({p["name"]: "\x00!" for p in one.parameters if p["in"] == "query"})


def value_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], some_id: object) -> Any:
    """Return some value of a schema; of an object its required members."""
    if "$ref" in schema:
        return value_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, some_id)
    if "anyOf" in schema:
        return value_of(schema["anyOf"][0], schemas, some_id)
    named = [schema[key] for key in ("const", "default") if key in schema]
    named += [schema[key][0] for key in ("examples", "enum") if key in schema]
    if named:
        return named[0]
    if schema.get("type") == "object":
        members = schema.get("properties", {})
        return {name: value_of(members[name], schemas, some_id) for name in schema.get("required", ())}
    if schema.get("type") == "array":
        return [value_of(schema["items"], schemas, some_id)] * int(schema.get("minItems", 0))
    return plain_value_of(schema, some_id)


def plain_value_of(schema: Mapping[str, Any], some_id: object) -> Any:
    """Return some number, truth or text."""
    if schema.get("format") == "uuid":
        return str(some_id)
    text = OF_FORMAT.get(str(schema.get("format")), "Jan.Kowalski@example.org zielony parasol")
    plain = {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 1.0), "boolean": True}
    return plain.get(schema.get("type", ""), text[: schema.get("maxLength", len(text))])
