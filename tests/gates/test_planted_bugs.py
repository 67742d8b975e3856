"""Can every bug still be planted, and is it caught only where a test ran and failed of what the bug does?"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.forks import ROOT
from tests.mutants import Run, chosen, planted, runs_of, usual_base, verdict

from portal_launcher.changed import changed_files
from portal_launcher.faults import Fault

_FAILED = "FAILED services/booking/tests/test_races.py::test_given_one - AssertionError"


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        (1, _FAILED, "caught"),
        (0, "1 passed", "SURVIVED"),
        (-1, "", "SURVIVED"),
        (2, "INTERNALERROR> AssertionError: nothing to mutate: 'x'", "SURVIVED"),
        (1, "ERROR tests/faults/test_clocks.py::test_given_one - the portal did not start", "BROKEN"),
        (1, f'{_FAILED}\nE   asyncpg.exceptions.PostgresSyntaxError: syntax error at or near ","', "BROKEN"),
        (1, f"{_FAILED}\nE   SyntaxError: invalid syntax", "BROKEN"),
        (1, f"{_FAILED}\nE   asyncpg.exceptions.AmbiguousFunctionError: operator is not unique", "BROKEN"),
        (1, f"{_FAILED}\nAssertionError: nothing to mutate: 'x'", "BROKEN"),
    ],
    ids=[
        "failed",
        "passed",
        "hung",
        "not planted",
        "never ran",
        "no SQL",
        "no Python",
        "no operator",
        "planted nowhere",
    ],
)
def test_given_how_a_test_ended_under_a_bug_then_caught_only_if_it_failed_of_what_it_does(
    code: int, said: str, expected: str
) -> None:
    assert verdict(code, said) == expected


def test_given_the_code_of_today_when_each_bug_is_planted_then_its_place_is_still_there() -> None:
    command = [sys.executable, "-m", "tests.gates.plant_each"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_given_bugs_when_ordered_then_first_what_needs_no_server_and_each_file_is_sound_before_its_bugs() -> (
    None
):
    pure, slow, other = "a/test_pure.py::test_x", "b/test_slow.py::test_y", "b/test_slow.py::test_z"
    bugs = {"one": slow, "two": pure, "three": other, "four": slow}
    assert runs_of(bugs, {pure: False, slow: True, other: True}) == [
        Run((pure,), None, connected=False),
        Run((pure,), "two", connected=False),
        Run((other, slow), None, connected=True),
        Run((other,), "three", connected=True),
        Run((slow,), "one", connected=True),
        Run((slow,), "four", connected=True),
    ]


BUGS = planted()
PRIVATE = {
    # Both kinds of session append by it, and no text that could be rewritten knows what counts the appends.
    ("tests/faults/mutants_history.py", "postgres._Session"),
}


def test_given_each_bug_when_its_place_is_looked_for_then_it_is_a_file_of_the_product() -> None:
    for name, one in BUGS.items():
        assert one.bug.change.places, f"{name}: what it changes names no file"
        for place in one.bug.change.places:
            top, _, source, *_ = place.relative_to(ROOT).parts
            assert place.is_file(), f"{name}: there is no {place}"
            assert (top in {"services", "shared"}, source) == (True, "src"), f"{name}: no product: {place}"


def test_given_what_plants_bugs_when_read_then_it_names_nothing_private() -> None:
    named = {
        (str(file), ast.unparse(node))
        for file in {file for one in BUGS.values() for file in one.files if file.name.startswith("mutants_")}
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr)
    }
    assert named == PRIVATE, "a statement's text or a public name lasts longer (planting.py)"


def committed(root: Path, *names: str) -> str:
    for name in names:
        (root / name).write_text(name)
        for command in (
            ("init", "-q"),
            ("add", "."),
            ("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", name),
        ):
            subprocess.run(["git", *command], cwd=root, check=True)
    return subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=root, text=True).strip()


def test_given_a_branch_when_no_base_is_named_then_it_is_where_the_branch_left_the_main_one(
    tmp_path: Path,
) -> None:
    forked = committed(tmp_path, "a", "b")
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", forked], cwd=tmp_path, check=True)
    committed(tmp_path, "c")
    assert usual_base(tmp_path) == forked


@pytest.mark.parametrize(("commits", "back"), [(3, 2), (14, 10)])
def test_given_nothing_but_the_main_branch_when_no_base_is_named_then_ten_commits_or_fewer_count(
    tmp_path: Path, commits: int, back: int
) -> None:
    head = committed(tmp_path, *(str(n) for n in range(commits)))
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", head], cwd=tmp_path, check=True)
    oldest = subprocess.check_output(["git", "rev-parse", f"HEAD~{back}"], cwd=tmp_path, text=True).strip()
    assert usual_base(tmp_path) == oldest


def test_given_changes_of_every_kind_then_all_files_since_the_base_count(tmp_path: Path) -> None:
    base = committed(tmp_path, "kept", "edited", "moved")
    committed(tmp_path, "added")
    (tmp_path / "edited").write_text("again")
    (tmp_path / "moved").rename(tmp_path / "moved-here")
    (tmp_path / "zażółć").write_text("not known to git yet")
    assert changed_files(base, tmp_path) == {
        Path(name) for name in ("added", "edited", "moved", "moved-here", "zażółć")
    }


def test_given_what_is_asked_for_then_those_bugs_are_chosen() -> None:
    assert len(chosen(["--all"], BUGS)[0]) == len(BUGS)
    some = chosen(["tests/views", "services/booking/tests/test_hold_slot.py"], BUGS)[0]
    assert {bug.test.partition("::")[0] for bug in some.values()} == {
        "tests/views/test_every_order.py",
        "services/booking/tests/test_hold_slot.py",
    }
    assert not any(
        bug.test.startswith("tests/views/") for bug in chosen(["--ignore=tests/views"], BUGS)[0].values()
    )
    with pytest.raises(Fault, match="no-such-thing is no commit and no file here"):
        chosen(["no-such-thing"], BUGS)
