"""Does the demo data's scale reach what writes them, once, and who can sign in stay private?"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from portal_launcher import seed_child
from portal_launcher.cli import parser
from portal_launcher.layout import Layout
from portal_launcher.run_file import Run
from portal_launcher.seed import seed_in_child
from portal_launcher.seed_child import seed_if_empty
from portal_launcher.supervise import Program, Supervisor


class Recorder(Supervisor):
    """Notes what it is to run, and writes what the child would."""

    def __init__(self, demo: Path) -> None:
        super().__init__(lambda _: None, lambda: None)
        self.programs: list[Program] = []
        self._demo = demo

    async def run(self, program: Program) -> None:
        self.programs.append(program)
        self._demo.write_text("{}")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(state=tmp_path, demo=tmp_path / "demo.json")
    layout.make()
    return layout


@pytest.mark.parametrize(("asked", "written"), [(None, "small"), ("small", "small"), ("large", "large")])
async def test_given_a_scale_when_seeding_then_the_child_is_told_and_another_one_later_is_explained(
    layout: Layout, asked: str | None, written: str
) -> None:
    recorder, lines = Recorder(layout.demo), list[str]()
    run = Run(1, 1, "http://127.0.0.1:1", 1, postgres_data="here")
    await seed_in_child(recorder, run, layout, lines.append, asked)
    [program] = recorder.programs
    assert program.command[-2:] == [str(layout.demo), written]

    lines.clear()
    await seed_in_child(recorder, run, layout, lines.append, None)
    await seed_in_child(recorder, run, layout, lines.append, written)
    assert (len(recorder.programs), lines) == (1, [])
    await seed_in_child(recorder, run, layout, lines.append, "large" if written == "small" else "small")
    assert len(recorder.programs) == 1
    assert f"in scale {written}" in lines[0]


@pytest.mark.parametrize("empty", [True, False])
async def test_given_a_portal_when_the_child_seeds_then_only_an_empty_one_and_in_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, empty: bool
) -> None:
    asked: list[str] = []

    async def is_empty(_: Mapping[str, str]) -> bool:
        return empty

    async def seed(
        *, now: dt.datetime, database_urls: Mapping[str, str], secrets: Path, scale: str
    ) -> dict[str, Any]:
        assert (now.tzinfo, database_urls, secrets) == (dt.UTC, {"a": "b"}, Path("/s"))
        asked.append(scale)
        return {"patients": [], "staff": [], "banks": []}

    monkeypatch.setattr(seed_child, "is_empty", is_empty)
    monkeypatch.setattr(seed_child, "seed", seed)
    demo = tmp_path / "demo.json"
    run = Run(1, 1, "http://127.0.0.1:1", 1, database_urls={"a": "b"}, secrets="/s")
    await seed_if_empty(run, demo, "large")
    assert asked == (["large"] if empty else [])
    assert demo.exists() == empty
    if empty:
        assert demo.stat().st_mode & 0o777 == 0o600
        # Other programs rely on these members (the mailbox's address, for one, stands in run.json).
        assert set(json.loads(demo.read_text())) == {"url", "patients", "staff", "banks"}


def test_given_the_command_line_when_a_scale_is_named_then_only_one_that_there_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for command in ("up", "seed"):
        assert parser().parse_args([command, "--scale", "large"]).scale == "large"
        assert parser().parse_args([command]).scale is None
        with pytest.raises(SystemExit):
            parser().parse_args([command, "--scale", "huge"])
    assert "small" in capsys.readouterr().err
