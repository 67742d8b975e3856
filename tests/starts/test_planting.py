"""Are bugs planted by the program that plants them?"""

import subprocess
import sys

from tests.forks import ROOT


def test_given_bugs_that_need_no_server_when_planted_then_they_are_caught_without_one() -> None:
    command = [sys.executable, "-m", "tests.mutants", "shared/events/tests/test_fields.py"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "2 of them without servers" in ended.stdout
    assert (ended.stdout.splitlines()[-1], ended.stderr) == ("2 passed, 0 failed", "")
