"""May a released schema be replaced by this one under the same version?

Only if everything valid under the old is valid under the new, so that every stored event still decodes, and
nothing vanishes that a reader of the old relies on. Allowed are: a new optional property, a new value of an
enumeration (readers must expect those), a wider bound, other words in a description.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from portal_events.event_schema import resolve

Node = Mapping[str, Any]

_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_WALKED = {"$ref", "$defs", "type", "properties", "required", "items", "anyOf", "oneOf", "enum", "const"}
_ANNOTATIONS = {"$schema", "title", "description", "examples", "deprecated", "x-sensitive"}
_IDENTITY = {"$id": "the schema's id", "x-subject": "the subject", "x-tags": "the tags"}
_ABSENT = object()


def compatible(old: Node, new: Node) -> list[str]:
    """Return the reasons why `new` must not replace `old`; none when it may."""
    return list(_Comparison(old, new).reasons())


class _Comparison:
    def __init__(self, old: Node, new: Node) -> None:
        self._old = old
        self._new = new
        self._seen: set[tuple[int, int]] = set()

    def reasons(self) -> Iterator[str]:
        for keyword, what in _IDENTITY.items():
            before, after = self._old.get(keyword), self._new.get(keyword)
            if before != after:
                yield f"{what} changed from {before} to {after}"
        yield from self._values(self._old, self._new, "the event")

    def _values(self, old: Node, new: Node, where: str) -> Iterator[str]:
        if old.get("default", _ABSENT) != new.get("default", _ABSENT):
            yield f"{where}: the default changed, which events that lack it are read with"
        before, after = self._alternatives(old, self._old), self._alternatives(new, self._new)
        if _sensitive(before) != _sensitive(after):
            yield f"{where}: {'is no longer sensitive' if _sensitive(before) else 'becomes sensitive'}"
            return
        types_before, types_after = _types(before), _types(after)
        if gone := sorted(types_before - types_after):
            yield f"{where}: {', '.join(gone)} is no longer allowed"
        if added := sorted(types_after - types_before):
            yield f"{where}: may now be {', '.join(added)}, which no reader expects"
        for type_ in sorted(types_before & types_after):
            yield from self._same_type(_of(type_, before), _of(type_, after), where)

    def _same_type(self, old: Sequence[Node], new: Sequence[Node], where: str) -> Iterator[str]:
        if len(old) == len(new) == 1:
            yield from self._branch(old[0], new[0], where)
            return
        for branch in old:
            if all(any(self._branch(branch, other, where)) for other in new):
                yield f"{where}: one of the old alternatives has no equal among the new"
        for other in new:
            if all(any(self._branch(branch, other, where)) for branch in old):
                yield f"{where}: has a new alternative, which no reader expects"

    def _branch(self, old: Node, new: Node, where: str) -> Iterator[str]:
        pair = (id(old), id(new))
        if pair in self._seen:
            return
        self._seen.add(pair)
        try:
            yield from self._properties(old, new, where)
            yield from _enumeration(old, new, where)
            yield from _bounds(old, new, where)
            yield from self._items(old, new, where)
            yield from _other_keywords(old, new, where)
        finally:
            self._seen.discard(pair)

    def _properties(self, old: Node, new: Node, where: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        required_before, required_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            path = name if where == "the event" else f"{where}.{name}"
            if name not in after:
                yield f"{path}: was removed or renamed"
                continue
            if name in required_after - required_before:
                yield f"{path}: becomes required, and stored events may lack it"
            if name in required_before - required_after:
                yield f"{path}: becomes optional, and readers rely on it"
            yield from self._values(before[name], after[name], path)
        for name in after:
            if name not in before and name in required_after:
                path = name if where == "the event" else f"{where}.{name}"
                yield f"{path}: is new and required, and stored events lack it"

    def _items(self, old: Node, new: Node, where: str) -> Iterator[str]:
        if "items" in old and "items" in new:
            yield from self._values(old["items"], new["items"], f"{where}[]")
        elif "items" in old or "items" in new:
            yield f"{where}: what its items may be changed"

    def _alternatives(self, schema: Node, root: Node) -> list[Node]:
        schema = resolve(schema, root)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return [a for part in schema[keyword] for a in self._alternatives(part, root)]
        if isinstance(schema.get("type"), list):
            return [{**schema, "type": t} for t in schema["type"]]
        return [schema]


def _sensitive(alternatives: Sequence[Node]) -> bool:
    return any(a.get("x-sensitive") for a in alternatives)


def _types(alternatives: Sequence[Node]) -> set[str]:
    return {str(a.get("type", "anything")) for a in alternatives}


def _of(type_: str, alternatives: Sequence[Node]) -> list[Node]:
    return [a for a in alternatives if str(a.get("type", "anything")) == type_]


def _enumeration(old: Node, new: Node, where: str) -> Iterator[str]:
    before, after = _choices(old), _choices(new)
    if before is None and after is None:
        return
    if before is None:
        yield f"{where}: becomes an enumeration, which old values may not be in"
    elif after is None:
        yield f"{where}: is no longer an enumeration"
    elif gone := [choice for choice in before if choice not in after]:
        yield f"{where}: lost the value{'s' if len(gone) > 1 else ''} {', '.join(map(str, gone))}"


def _choices(schema: Node) -> list[object] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def _bounds(old: Node, new: Node, where: str) -> Iterator[str]:
    for keyword in _LOWER_BOUNDS:
        if keyword in new and (keyword not in old or new[keyword] > old[keyword]):
            yield f"{where}: {keyword} is narrower ({old.get(keyword, 'none')} to {new[keyword]})"
    for keyword in _UPPER_BOUNDS:
        if keyword in new and (keyword not in old or new[keyword] < old[keyword]):
            yield f"{where}: {keyword} is narrower ({old.get(keyword, 'none')} to {new[keyword]})"


def _other_keywords(old: Node, new: Node, where: str) -> Iterator[str]:
    # format, pattern, additionalProperties and whatever else there may be: compared for equality, since
    # tightening refuses what is stored and loosening takes away what readers rely on.
    known = {*_WALKED, *_ANNOTATIONS, *_LOWER_BOUNDS, *_UPPER_BOUNDS, *_IDENTITY, "default"}
    for keyword in sorted({*old, *new} - known):
        if old.get(keyword) != new.get(keyword):
            yield f"{where}: {keyword} changed from {old.get(keyword)} to {new.get(keyword)}"
