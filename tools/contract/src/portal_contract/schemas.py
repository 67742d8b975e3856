"""How do the apps' schemas come together under stable names, each shape once?

Two apps, or two rooms of one, may each have a `Body`. A schema that is the same everywhere keeps its class's
name; one that is not is named after the operation that uses it first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

_REF: Final = "#/components/schemas/"


class SchemaNames:
    """Collects schemas; `add` returns what refers to one, `components` is all that was added."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}

    def add(self, schema: Any, known: Mapping[str, Any], operation_id: str, name: str = "") -> Any:
        """Return the schema with all references leading into `components`.

        `known`: the schemas of the app that it comes from; `name`: what the schema itself is to be called.
        """
        if isinstance(schema, list):
            return [self.add(one, known, operation_id) for one in schema]
        if not isinstance(schema, dict):
            return schema
        reference = schema.get("$ref")
        if isinstance(reference, str):
            short = reference.removeprefix(_REF)
            content = known[short]
            title = name or str(content.get("title", short))
            return {"$ref": _REF + self._placed(title, content, known, operation_id)}
        return {
            key: self._members(value, known, operation_id)
            if key == "properties"
            else self.add(value, known, operation_id)
            for key, value in schema.items()
            if key != "title"
        }

    def _members(self, properties: Mapping[str, Any], known: Mapping[str, Any], operation_id: str) -> Any:
        return {member: self.add(schema, known, operation_id) for member, schema in properties.items()}

    def _placed(self, title: str, content: Any, known: Mapping[str, Any], operation_id: str) -> str:
        # No shape of this API contains itself, so that what a shape contains is placed before it.
        wanted = self.add(content, known, operation_id)
        for name in (title, operation_id[:1].upper() + operation_id[1:] + title):
            if name not in self.components:
                self.components[name] = wanted
                return name
            if same(self.components[name], wanted):
                return name
        raise ValueError(f"two schemas of one operation are called {title}: {operation_id}")


def same(one: Any, other: Any) -> bool:
    """Compare two shapes by what they say."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
