"""What exactly may a producer write for an event, as JSON Schema?"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic.alias_generators import to_snake
from pydantic.json_schema import GenerateJsonSchema

from portal_events.base import Event
from portal_events.cloudevents import schema_path

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SAMPLES = {"integer": 1, "number": 1, "boolean": True, "null": None}
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class NoSampleError(Exception):
    """A schema uses something that no sample value is known for."""


class _Untitled(GenerateJsonSchema):
    """Pydantic's generator without a title for every field, which only repeats the field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave fields untitled."""
        del schema
        return False


def schema_of(cls: type[Event]) -> Schema:
    """Return a class's closed schema: `x-subject` is the key's property, `x-tags` what tags are made of."""
    generated = cls.model_json_schema(by_alias=True, mode="validation", schema_generator=_Untitled)
    _close(generated)
    _speak_json(generated)
    schema = {"$schema": DIALECT, "$id": schema_path(cls.OWNER, cls.__name__, cls.VERSION), **generated}
    schema["x-subject"] = cls.model_fields[cls.SUBJECT].alias
    schema["x-tags"] = _tag_templates(cls, generated)
    return schema


def resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a `$ref` into `$defs` of `root` points at, or the schema itself."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    definition: Mapping[str, Any] = root["$defs"][reference.removeprefix("#/$defs/")]
    return definition


def sample(schema: Mapping[str, Any], *, only_required: bool = False) -> dict[str, Any]:
    """Return one JSON object that the schema allows: the same one every time, each id another."""
    value = _Sampler(schema, only_required=only_required).value(schema, "event")
    if not isinstance(value, dict):
        raise NoSampleError("an event's schema describes an object")
    return value


class _Sampler:
    def __init__(self, root: Mapping[str, Any], *, only_required: bool) -> None:
        self._root = root
        self._only_required = only_required
        self._ids = 0

    def value(self, schema: Mapping[str, Any], name: str) -> object:
        schema = resolve(schema, self._root)
        if "anyOf" in schema:
            return self.value(schema["anyOf"][0], name)
        if known := schema.get("examples", schema.get("enum")):
            return known[0]
        match schema.get("type"):
            case "object":
                wanted = schema.get("required", []) if self._only_required else schema.get("properties", {})
                return {key: self.value(schema["properties"][key], key) for key in wanted}
            case "array":
                return [self.value(schema["items"], name)]
            case "string":
                return self._text(schema, name)
            case other if other in _SAMPLES:
                return schema.get("const", schema.get("minimum", _SAMPLES[other]))
            case other:
                raise NoSampleError(f"{name}: no sample for type {other}")

    def _text(self, schema: Mapping[str, Any], name: str) -> str:
        if "const" in schema:
            return str(schema["const"])
        if schema.get("x-sensitive"):
            return "sealed:v1:c2FtcGxlLWNpcGhlcnRleHQ"
        match schema.get("format"):
            case None if re.search(schema.get("pattern", ""), name):
                return name
            case "uuid":
                self._ids += 1
                return f"01920000-0000-7000-8000-{self._ids:012d}"
            case "date":
                return "2026-03-02"
            case "date-time":
                # Another day than a plain date's, so that a tag shows which of the two it is made of.
                return "2026-03-03T09:00:00Z"
            case other:
                pattern = schema.get("pattern")
                raise NoSampleError(f"{name}: format {other}, pattern {pattern} wants Field(examples=[…])")


def _tag_templates(cls: type[Event], schema: Schema) -> list[str]:
    # Tags are pure functions of the payload, so a payload of known values shows what each is made of.
    payload = sample(schema)
    names = {value: name for name, value in payload.items() if isinstance(value, str)}
    return sorted(_template(tag, names) for tag in cls.model_validate(payload).tags())


def _template(tag: str, names: Mapping[str, str]) -> str:
    kind, *segments = tag.split(":")
    filled = [f"{{{names[s]}}}" if s in names else "{day}" if _ISO_DATE.fullmatch(s) else s for s in segments]
    return ":".join([kind, *filled])


def _speak_json(schema: object) -> None:
    # Docstrings name fields as Python does; readers of the schema know them by their names in JSON.
    if isinstance(schema, dict):
        if "description" in schema and "properties" in schema:
            for name in schema["properties"]:
                quoted = f"`{to_snake(name)}`"
                schema["description"] = schema["description"].replace(quoted, f"`{name}`")
        for part in schema.values():
            _speak_json(part)


def _close(schema: object) -> None:
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            schema["additionalProperties"] = False
        for part in schema.values():
            _close(part)
    elif isinstance(schema, list):
        for part in schema:
            _close(part)
