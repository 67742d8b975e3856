import json
import shutil
import subprocess
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import new_class
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from portal_events import schemas
from portal_events.base import Event, Upcaster, decode
from portal_events.booking import DoctorDayOpened
from portal_events.compatibility import compatible
from portal_events.event_schema import NoSampleError, sample, schema_of
from portal_events.identity import PatientRegistered
from portal_events.schemas import DOCS, SCHEMAS, check, golden_path, main, published_classes, write
from portal_events.sensitive import Sealed, Sensitive


class Kind(StrEnum):
    """How the note came in."""

    PAPER = "paper"
    VOICE = "voice"


class FewerKinds(StrEnum):
    PAPER = "paper"


class MoreKinds(StrEnum):
    PAPER = "paper"
    VOICE = "voice"
    FAX = "fax"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class Page(_Part):
    """One page."""

    page_id: UUID
    lines: int


class PageWithoutLines(_Part):
    page_id: UUID


class PageWithMore(_Part):
    page_id: UUID
    lines: int
    colour: str


FIELDS: Mapping[str, Any] = {
    "note_id": UUID,
    "patient_id": UUID,
    "kind": Kind,
    "written_at": AwareDatetime,
    "written_on": date,
    "minutes": Annotated[int, Field(ge=1, le=60)],
    "code": Annotated[str, Field(max_length=8)],
    "words": Sensitive,
    "translation": (Sensitive | None, None),
    "remark": (str | None, None),
    "pages": tuple[Page, ...],
}


def noted(
    *,
    version: int = 1,
    subject: str = "patient_id",
    tagged: tuple[str, ...] = ("note_id", "patient_id"),
    upcasters: Mapping[int, Upcaster] | None = None,
    without: tuple[str, ...] = (),
    **changed: Any,
) -> type[Event]:
    """Make the example event anew, with what a developer might do to it."""
    fields = {k: v for k, v in {**FIELDS, **changed}.items() if k not in without}
    namespace = {
        "__module__": __name__,
        "__doc__": "Somebody noted something; `note_id` is the note.",
        "__annotations__": {k: v[0] if isinstance(v, tuple) else v for k, v in fields.items()},
        **{k: v[1] for k, v in fields.items() if isinstance(v, tuple)},
        "OWNER": "example",
        "VERSION": version,
        "SUBJECT": subject,
        "TAGGED": tagged,
        "UPCASTERS": upcasters or {},
    }
    return cast("type[Event]", new_class("Noted", (Event,), exec_body=lambda body: body.update(namespace)))


class Folders:
    """A repository's golden files, in a throwaway place."""

    def __init__(self, root: Path) -> None:
        self.schemas = root / "schemas"
        self.docs = root / "docs"

    def write(self, *classes: type[Event]) -> list[str]:
        return write(classes, self.schemas, self.docs)

    def check(self, *classes: type[Event]) -> list[str]:
        return check(classes, self.schemas, self.docs)

    def golden(self, version: int = 1) -> dict[str, Any]:
        text = (self.schemas / "example" / f"Noted.v{version}.json").read_text(encoding="utf-8")
        schema: dict[str, Any] = json.loads(text)
        return schema


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Version 1 of the example is released."""
    made = Folders(tmp_path)
    assert made.write(noted()) == []
    return made


INCOMPATIBLE: Mapping[str, tuple[dict[str, Any], list[str]]] = {
    "removed": ({"without": ("minutes",)}, ["minutes: was removed or renamed"]),
    "renamed": (
        {"without": ("minutes",), "duration": FIELDS["minutes"]},
        ["minutes: was removed or renamed", "duration: is new and required, and stored events lack it"],
    ),
    "removed-optional": ({"without": ("remark",)}, ["remark: was removed or renamed"]),
    "new-required": ({"author": str}, ["author: is new and required, and stored events lack it"]),
    "optional-becomes-required": (
        {"remark": str},
        [
            "remark: becomes required, and stored events may lack it",
            "remark: the default changed, which events that lack it are read with",
            "remark: null is no longer allowed",
        ],
    ),
    "required-becomes-optional": (
        {"code": (FIELDS["code"], "x")},
        [
            "code: becomes optional, and readers rely on it",
            "code: the default changed, which events that lack it are read with",
        ],
    ),
    "nullable": ({"code": FIELDS["code"] | None}, ["code: may now be null, which no reader expects"]),
    "default": (
        {"remark": (str | None, "none")},
        ["remark: the default changed, which events that lack it are read with"],
    ),
    "type": (
        {"minutes": str},
        [
            "minutes: integer is no longer allowed",
            "minutes: may now be string, which no reader expects",
        ],
    ),
    "type-widened": (
        {"minutes": FIELDS["minutes"] | str},
        ["minutes: may now be string, which no reader expects"],
    ),
    "enum-narrowed": ({"kind": FewerKinds}, ["kind: lost the value voice"]),
    "enum-narrowed-to-a-literal": ({"kind": Literal["voice"]}, ["kind: lost the value paper"]),
    "enum-dropped": ({"kind": str}, ["kind: is no longer an enumeration"]),
    "enum-made": (
        {"code": Kind},
        [
            "code: becomes an enumeration, which old values may not be in",
        ],
    ),
    "format-dropped": ({"note_id": str}, ["noteId: format changed from uuid to None"]),
    "format-changed": ({"written_on": AwareDatetime}, ["writtenOn: format changed from date to date-time"]),
    "pattern-added": (
        {"code": Annotated[str, Field(max_length=8, pattern="^code$")]},
        ["code: pattern changed from None to ^code$"],
    ),
    "longest-shortened": (
        {"code": Annotated[str, Field(max_length=5)]},
        ["code: maxLength is narrower (8 to 5)"],
    ),
    "minimum-raised": (
        {"minutes": Annotated[int, Field(ge=5, le=60)]},
        ["minutes: minimum is narrower (1 to 5)"],
    ),
    "bound-added": (
        {"minutes": Annotated[int, Field(ge=1, le=60, multiple_of=1)]},
        ["minutes: multipleOf changed from None to 1"],
    ),
    "no-longer-sensitive": ({"words": str}, ["words: is no longer sensitive"]),
    "optional-no-longer-sensitive": (
        {"translation": (str | None, None)},
        ["translation: is no longer sensitive"],
    ),
    "becomes-sensitive": ({"code": Sensitive}, ["code: becomes sensitive"]),
    "subject": ({"subject": "note_id"}, ["the subject changed from patientId to noteId"]),
    "tag-dropped": (
        {"tagged": ("patient_id",)},
        ["the tags changed from ['note:{noteId}', 'patient:{patientId}'] to ['patient:{patientId}']"],
    ),
    "tag-added": (
        {"tagged": ("note_id", "patient_id", "code")},
        [
            (
                "the tags changed from ['note:{noteId}', 'patient:{patientId}'] to "
                "['code:{code}', 'note:{noteId}', 'patient:{patientId}']"
            )
        ],
    ),
    "nested-removed": ({"pages": tuple[PageWithoutLines, ...]}, ["pages[].lines: was removed or renamed"]),
    "nested-new-required": (
        {"pages": tuple[PageWithMore, ...]},
        ["pages[].colour: is new and required, and stored events lack it"],
    ),
    "list-of-another-type": (
        {"pages": tuple[str, ...]},
        [
            "pages[]: object is no longer allowed",
            "pages[]: may now be string, which no reader expects",
        ],
    ),
    "no-longer-a-list": (
        {"pages": Page},
        ["pages: array is no longer allowed", "pages: may now be object, which no reader expects"],
    ),
}


@pytest.mark.parametrize(("change", "reasons"), INCOMPATIBLE.values(), ids=INCOMPATIBLE)
def test_given_a_released_version_when_changed_incompatibly_then_refused_in_one_sentence(
    folders: Folders, change: dict[str, Any], reasons: list[str]
) -> None:
    released = folders.golden()
    found = compatible(released, schema_of(noted(**change)))
    assert sorted(found) == sorted(reasons)
    sentence = (
        f"example.Noted.v1 is released and would break ({'; '.join(found)}): "
        "raise VERSION to 2 and add an upcaster from 1."
    )
    assert folders.write(noted(**change)) == [sentence]
    assert folders.golden() == released
    assert sentence in folders.check(noted(**change))


COMPATIBLE: Mapping[str, dict[str, Any]] = {
    "new-optional": {"author": (str | None, None)},
    "new-optional-sensitive": {"whisper": (Sensitive | None, None)},
    "enum-grown": {"kind": MoreKinds},
    "bound-widened": {"minutes": Annotated[int, Field(ge=0, le=600)]},
    "bound-dropped": {"minutes": int},
}


@pytest.mark.parametrize("change", COMPATIBLE.values(), ids=COMPATIBLE)
def test_given_a_released_version_when_changed_compatibly_then_written(
    folders: Folders, change: dict[str, Any]
) -> None:
    changed = noted(**change)
    assert folders.check(changed)[0] == (
        "Noted.v1.json: is not what the event classes say; run python -m portal_events.schemas --write"
    )
    assert folders.write(changed) == []
    assert folders.golden() == schema_of(changed) != schema_of(noted())
    assert folders.check(changed) == []
    released = schema_of(noted())
    old_event = json.dumps(sample(released))
    assert (
        decode("example", "Noted", 1, old_event).model_dump(by_alias=True).items()
        >= {
            "code": "code",
            "remark": "remark",
        }.items()
    )


def test_given_nothing_changed_when_written_again_then_the_same_bytes(folders: Folders) -> None:
    files = sorted(p for p in folders.schemas.parent.rglob("*") if p.is_file())
    before = [p.read_bytes() for p in files]
    assert [p.name for p in files] == ["README.md", "asyncapi.json", "Noted.v1.json"]
    assert folders.write(noted()) == []
    assert [p.read_bytes() for p in files] == before


def _duration(payload: dict[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in payload.items() if k != "minutes"}, "duration": payload["minutes"]}


SECOND: Mapping[str, Any] = {"version": 2, "without": ("minutes",), "duration": int}


def test_given_a_second_version_with_an_upcaster_then_written_beside_the_first_and_old_events_decode(
    folders: Folders,
) -> None:
    first = folders.golden()
    second = noted(**SECOND, upcasters={1: _duration})
    assert folders.write(second) == []
    assert folders.check(second) == []
    assert folders.golden(1) == first
    assert folders.golden(2)["$id"] == "/schemas/example/Noted.v2.json"
    old = sample(first)
    read = decode("example", "Noted", 1, json.dumps(old))
    assert type(read) is second
    assert read.model_dump()["duration"] == old["minutes"] == 1
    assert read.model_dump()["words"] == old["words"]


def _no_way(payload: dict[str, Any]) -> dict[str, Any]:
    return payload


def _needs_remark(payload: dict[str, Any]) -> dict[str, Any]:
    return {**_duration(payload), "code": payload["remark"]}


@pytest.mark.parametrize(
    ("upcasters", "reason"),
    [
        ({}, "(UnknownEventError: example.Noted.v1: no way up from v1): mend UPCASTERS."),
        ({2: _duration}, "(UnknownEventError: example.Noted.v1: no way up from v1): mend UPCASTERS."),
        ({1: _no_way}, "(ValidationError: 1 validation error for Noted duration Field required"),
        ({1: _needs_remark}, "(KeyError: 'remark'): mend UPCASTERS."),
    ],
    ids=["none", "wrong-step", "invalid-result", "fails-where-an-optional-field-is-absent"],
)
def test_given_a_second_version_without_a_working_upcaster_then_refused(
    folders: Folders, upcasters: dict[int, Upcaster], reason: str
) -> None:
    refused = folders.write(noted(**SECOND, upcasters=upcasters))
    assert len(refused) == 1
    assert refused[0].startswith(f"example.Noted.v1 cannot be brought up to v2 {reason}")
    assert not (folders.schemas / "example" / "Noted.v2.json").exists()


def test_given_a_released_event_when_its_class_vanishes_then_refused(folders: Folders) -> None:
    sentence = "example/Noted.v1.json was released, so its event class must stay: stored events need it."
    assert folders.write() == [sentence]
    assert folders.check()[0] == sentence


def test_given_a_second_version_when_the_class_goes_back_then_refused(folders: Folders) -> None:
    assert folders.write(noted(**SECOND, upcasters={1: _duration})) == []
    assert folders.write(noted()) == ["example/Noted.v2.json was released, so VERSION must not be below 2."]


def test_given_a_golden_file_edited_by_hand_then_the_check_says_so(folders: Folders) -> None:
    path = folders.schemas / "example" / "Noted.v1.json"
    path.write_text(path.read_text(encoding="utf-8").replace("maxLength", "maxlength"), encoding="utf-8")
    assert "Noted.v1.json: is not what the event classes say" in " ".join(folders.check(noted()))


@pytest.mark.parametrize("name", ["README.md", "asyncapi.json"])
def test_given_docs_edited_by_hand_then_the_check_says_so(folders: Folders, name: str) -> None:
    (folders.docs / name).write_text("changed", encoding="utf-8")
    assert folders.check(noted()) == [
        f"{name}: is not what the event classes say; run python -m portal_events.schemas --write"
    ]


def test_given_an_event_then_its_schema_is_closed_down_to_the_nested_and_speaks_of_fields_as_json_does() -> (
    None
):
    schema = schema_of(noted())
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Page"]["additionalProperties"] is False
    assert schema["$id"] == "/schemas/example/Noted.v1.json"
    assert schema["x-subject"] == "patientId"
    assert schema["x-tags"] == ["note:{noteId}", "patient:{patientId}"]
    assert schema["description"] == "Somebody noted something; `noteId` is the note."
    assert schema["properties"]["words"] == {
        "pattern": "^sealed:v1:[A-Za-z0-9_-]+$",
        "type": "string",
        "x-sensitive": True,
    }


def test_given_tags_of_the_events_own_making_then_the_schema_shows_what_they_are_made_of() -> None:
    assert schema_of(DoctorDayOpened)["x-tags"] == [
        "doctor-day:{doctorId}:{date}",
        "doctor-day:{doctorId}:{day}",
    ]
    assert schema_of(PatientRegistered)["x-tags"] == ["patient:{patientId}", "pesel:{peselTag}"]


def test_given_a_pattern_that_no_sample_is_known_for_then_the_field_is_named() -> None:
    with pytest.raises(
        NoSampleError, match=r"^code: format None, pattern \^x\$ wants Field\(examples=\[…\]\)$"
    ):
        schema_of(noted(code=Annotated[str, Field(pattern="^x$")]))
    assert sample(schema_of(noted(code=Annotated[str, Field(pattern="^x$", examples=["x"])])))["code"] == "x"


@pytest.mark.parametrize("cls", published_classes(), ids=lambda cls: cls.__name__)
def test_given_a_sample_of_each_published_schema_then_it_decodes_and_writes_back_the_same(
    cls: type[Event],
) -> None:
    payload = sample(schema_of(cls))
    event = decode(cls.OWNER, cls.__name__, cls.VERSION, json.dumps(payload))
    assert json.loads(event.model_dump_json(by_alias=True)) == payload
    sealed = {name for name, value in event if isinstance(value, Sealed)}
    marked = {
        name
        for name, field in cls.model_fields.items()
        if "x-sensitive" in json.dumps(schema_of(cls)["properties"][field.alias])
    }
    assert sealed == marked


# The gate on what is published.


def test_the_golden_schemas_and_the_docs_are_what_the_event_classes_say() -> None:
    assert check(published_classes(), SCHEMAS, DOCS) == []


def test_the_golden_schemas_break_nothing_that_is_committed() -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("no git here")
    listed = subprocess.run(
        [git, "ls-tree", "-r", "--name-only", "HEAD", "."],
        cwd=SCHEMAS,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("no commit here")
    broken = {}
    for name in listed.stdout.split():
        committed = subprocess.run(
            [git, "show", f"HEAD:./{name}"], cwd=SCHEMAS, capture_output=True, text=True, check=True
        ).stdout
        path = SCHEMAS / name
        if not path.is_file():
            broken[name] = ["was released and is gone"]
        elif reasons := compatible(json.loads(committed), json.loads(path.read_text(encoding="utf-8"))):
            broken[name] = reasons
    assert broken == {}


def test_the_asyncapi_document_names_every_event_and_every_reference_leads_somewhere() -> None:
    document = json.loads((DOCS / "asyncapi.json").read_text(encoding="utf-8"))
    assert document["asyncapi"] == "3.0.0"
    classes = published_classes()
    assert list(document["channels"]) == sorted({f"{cls.OWNER}.events" for cls in classes})
    named = [m for channel in document["channels"].values() for m in channel["messages"]]
    assert named == [f"{cls.OWNER}.{cls.__name__}.v{cls.VERSION}" for cls in classes]
    for reference in _references(document):
        if reference.startswith("#/"):
            target = document
            for step in reference.removeprefix("#/").split("/"):
                target = target[step]
        else:
            assert (DOCS / reference).resolve() in {golden_path(SCHEMAS, c, c.VERSION) for c in classes}


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [r for part in node.values() for r in _references(part)]
    return [r for part in node for r in _references(part)] if isinstance(node, list) else []


def test_the_analysts_page_shows_every_event_and_every_field() -> None:
    page = (DOCS / "README.md").read_text(encoding="utf-8")
    for cls in published_classes():
        section = page.split(f"### portal.{cls.OWNER}.{cls.__name__}.v{cls.VERSION}\n")[1].split("\n### ")[0]
        for field in cls.model_fields.values():
            assert f"| `{field.alias}` |" in section
    assert "<!-- types -->" not in page


def test_the_analysts_jq_drops_duplicates_by_sequence_in_each_partition() -> None:
    jq = shutil.which("jq")
    if jq is None:
        pytest.skip("no jq here")
    page = (DOCS / "README.md").read_text(encoding="utf-8")
    to_lines = page.split("| jq -c '")[1].split("'")[0]
    to_unique = page.split("jq -cn '")[1].split("'")[0]
    # as kcat -J prints them: (partition, ce_sequence)
    delivered = [(0, 1), (1, 2), (0, 3), (0, 1), (0, 3), (1, 2), (0, 9), (0, 10), (1, 11), (0, 9)]
    lines = "\n".join(
        json.dumps(
            {
                "topic": "booking.events",
                "partition": partition,
                "headers": ["ce_sequence", str(sequence), "ce_id", f"id-{sequence}", "ce_type", "t"],
                "key": "k",
                "payload": '{"n": 1}',
            }
        )
        for partition, sequence in delivered
    )
    flat = subprocess.run(
        [jq, "-c", to_lines], input=lines, capture_output=True, text=True, check=True
    ).stdout
    unique = subprocess.run([jq, "-cn", to_unique], input=flat, capture_output=True, text=True, check=True)
    read = [json.loads(line) for line in unique.stdout.splitlines()]
    assert [(e["partition"], e["sequence"]) for e in read] == [
        (0, 1),
        (1, 2),
        (0, 3),
        (0, 9),
        (0, 10),
        (1, 11),
    ]
    assert read[0]["data"] == {"n": 1}
    assert read[0]["id"] == "id-1"


def test_given_the_command_then_its_exit_status_tells_and_each_problem_is_a_line(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schemas, "SCHEMAS", folders.schemas)
    monkeypatch.setattr(schemas, "DOCS", folders.docs)
    monkeypatch.setattr(schemas, "published_classes", lambda: (noted(),))
    assert main(["--check"]) == 0
    monkeypatch.setattr(schemas, "published_classes", lambda: (noted(without=("code",)),))
    assert [main(["--check"]), main(["--write"])] == [1, 1]
    assert capsys.readouterr().err.splitlines()[-1].startswith("example.Noted.v1 is released and would break")
    monkeypatch.setattr(schemas, "published_classes", lambda: (noted(code=str),))
    assert [main(["--write"]), main(["--check"])] == [0, 0]
