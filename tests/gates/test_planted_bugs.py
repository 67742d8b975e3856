"""Can every bug still be planted, and is it caught only where a test ran and failed of what the bug does?"""

import subprocess
import sys

import pytest
from tests.forks import ROOT
from tests.mutants import Run, runs_of, verdict

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
