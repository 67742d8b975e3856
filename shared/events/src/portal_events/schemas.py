"""Are the published schemas what the event classes say, and has nothing that was released been broken?

`python -m portal_events.schemas --check` compares the golden files with the classes; `--write` brings them
up to date, but never changes a released version incompatibly.
"""

import argparse
import importlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from portal_events.base import Event, decode, event_classes
from portal_events.cloudevents import schema_path
from portal_events.compatibility import compatible
from portal_events.event_docs import asyncapi, readme
from portal_events.event_schema import Schema, sample, schema_of
from portal_events.topics import OWNERS

_PACKAGE = Path(__file__).parents[2]
SCHEMAS = _PACKAGE / "schemas"
"""The golden schemas: `<owner>/<Type>.v<n>.json`, one for every version that was ever released."""

DOCS = _PACKAGE.parents[1] / "docs" / "events"

_GOLDEN = re.compile(r"([A-Za-z0-9]+)\.v([1-9][0-9]*)\.json", re.ASCII)


def published_classes() -> tuple[type[Event], ...]:
    """Return the event classes of every owner."""
    for owner in OWNERS:
        importlib.import_module(f"portal_events.{owner}")
    return tuple(cls for owner in OWNERS for cls in event_classes(owner))


def check(classes: Sequence[type[Event]], schemas: Path, docs: Path) -> list[str]:
    """Return what is wrong with the golden files, one sentence each."""
    stale = [
        f"{path.name}: is not what the event classes say; run python -m portal_events.schemas --write"
        for path, text in _generated(classes, schemas, docs).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    return [*_refusals(classes, schemas), *_broken_versions(classes, schemas), *stale]


def write(classes: Sequence[type[Event]], schemas: Path, docs: Path) -> list[str]:
    """Write every file that changed, or, where a released version would break, nothing: return why."""
    if refusals := [*_refusals(classes, schemas), *_broken_versions(classes, schemas)]:
        return refusals
    for path, text in _generated(classes, schemas, docs).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return []


def golden_path(schemas: Path, cls: type[Event], version: int) -> Path:
    """Return the golden file of one version of a class."""
    return schemas / schema_path(cls.OWNER, cls.__name__, version).removeprefix("/schemas/")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m portal_events.schemas", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_const", const=check, dest="run", help="compare only")
    mode.add_argument("--write", action="store_const", const=write, dest="run", help="bring up to date")
    problems = parser.parse_args(arguments).run(published_classes(), SCHEMAS, DOCS)
    for problem in problems:
        sys.stderr.write(problem + "\n")
    return 1 if problems else 0


def _generated(classes: Sequence[type[Event]], schemas: Path, docs: Path) -> Mapping[Path, str]:
    return {
        **{golden_path(schemas, cls, cls.VERSION): _text(schema_of(cls)) for cls in classes},
        docs / "README.md": readme(classes),
        docs / "asyncapi.json": asyncapi(classes),
    }


def _refusals(classes: Sequence[type[Event]], schemas: Path) -> Iterator[str]:
    for cls in classes:
        path = golden_path(schemas, cls, cls.VERSION)
        if path.is_file() and (reasons := compatible(_read(path), schema_of(cls))):
            yield (
                f"{cls.OWNER}.{cls.__name__}.v{cls.VERSION} is released and would break "
                f"({'; '.join(reasons)}): raise VERSION to {cls.VERSION + 1} "
                f"and add an upcaster from {cls.VERSION}."
            )


def _broken_versions(classes: Sequence[type[Event]], schemas: Path) -> Iterator[str]:
    by_name = {(cls.OWNER, cls.__name__): cls for cls in classes}
    for path in sorted(schemas.glob("*/*.json")):
        owner, match = path.parent.name, _GOLDEN.fullmatch(path.name)
        cls = by_name.get((owner, match[1])) if match else None
        if match is None or cls is None:
            yield f"{owner}/{path.name} was released, so its event class must stay: stored events need it."
        elif int(match[2]) > cls.VERSION:
            yield f"{owner}/{path.name} was released, so VERSION must not be below {match[2]}."
        elif int(match[2]) < cls.VERSION:
            yield from _not_upcast(cls, int(match[2]), _read(path))


def _not_upcast(cls: type[Event], version: int, golden: Schema) -> Iterator[str]:
    for only_required in (False, True):
        payload = orjson.dumps(sample(golden, only_required=only_required))
        try:
            decode(cls.OWNER, cls.__name__, version, payload)
        except Exception as error:  # noqa: BLE001 — an upcaster is anyone's code; whatever it raises is the finding
            reason = " ".join(str(error).split())
            yield (
                f"{cls.OWNER}.{cls.__name__}.v{version} cannot be brought up to v{cls.VERSION} "
                f"({type(error).__name__}: {reason}): mend UPCASTERS."
            )
            return


def _text(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _read(path: Path) -> Schema:
    schema: Schema = json.loads(path.read_text(encoding="utf-8"))
    return schema


if __name__ == "__main__":
    sys.exit(main())
