"""Does every hazard on the reliability page have a test, and a planted bug that this test catches?"""

import re
from pathlib import Path

import pytest
from tests.mutants import planted

from .test_architecture_page import missing

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
HAZARDS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| Hazard ")
]
NAMES = [cells[0] for cells in HAZARDS]
SECTIONS = (
    "Rules",
    "Booking",
    "Store and relay",
    "Kafka and consumers",
    "Projections and versions",
    "Repair",
)
_RULES = 13


def named(cell: str) -> list[str]:
    """Return what a cell names."""
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("cells", HAZARDS, ids=NAMES)
def test_given_a_hazard_when_its_tests_are_looked_for_then_they_are_there(cells: list[str]) -> None:
    _, outcome, tests, _ = cells
    assert outcome
    assert named(tests)
    assert [test for test in named(tests) if "::" not in test or missing(test)] == []


def test_given_the_page_when_its_planted_bugs_are_looked_for_then_a_test_of_their_line_catches_each() -> None:
    known = {name: one.bug.test for name, one in planted().items()}
    for hazard, _, tests, bugs in HAZARDS:
        assert named(bugs), hazard
        for bug in named(bugs):
            assert bug in known, f"{hazard}: no such bug: {bug}"
            assert known[bug].partition("[")[0] in named(tests), f"{hazard}: {bug} is caught elsewhere"


def test_given_the_page_when_read_then_each_part_of_the_catalogue_is_on_it() -> None:
    assert tuple(re.findall(r"^## (.+)$", PAGE, re.MULTILINE)) == SECTIONS
    assert [name.partition(".")[0] for name in NAMES[:_RULES]] == [str(n + 1) for n in range(_RULES)]
    assert len(set(NAMES)) == len(NAMES)
