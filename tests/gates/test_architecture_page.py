"""Does the architecture page name files and tests that exist?"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:services|shared|tools|tests|docs)[\w/.-]*(?:::\w+)?)`", PAGE)))


def missing(named: str) -> bool:
    """Tell whether a path, or the test in it, is not there."""
    path, _, test = named.partition("::")
    if not (ROOT / path).exists():
        return True
    return bool(test) and not re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE)


@pytest.mark.parametrize("named", NAMED)
def test_given_a_path_on_the_page_when_looked_for_then_it_is_there(named: str) -> None:
    assert not missing(named)


def test_given_the_page_when_read_then_every_decision_is_on_it() -> None:
    decisions = {str(p.relative_to(ROOT)) for p in ROOT.glob("services/*/src/*/*/decide.py")}
    trivial = {
        # Adding to the catalogue has no rule beyond "once".
        "services/booking/src/booking/add_service/decide.py",
        "services/booking/src/booking/add_facility/decide.py",
    }
    assert decisions - trivial <= set(NAMED)


def test_given_the_page_when_read_then_every_decision_record_is_linked() -> None:
    linked = set(re.findall(r"\(decisions/([\w.-]+)\)", PAGE))
    records = {path.name for path in (ROOT / "docs" / "decisions").iterdir()}
    assert not records - linked, f"docs/architecture.md does not link {sorted(records - linked)}"


def test_given_names_that_are_not_there_when_looked_for_then_missing() -> None:
    assert missing("services/booking/src/booking/nowhere.py")
    assert missing("shared/eventstore/tests/test_races.py::test_given_nothing")
    assert not missing("shared/eventstore/tests/test_races.py")
    assert len(NAMED) > 30
